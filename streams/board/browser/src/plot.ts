/** A course over time, drawn from the table beside it: points, and a line only where nothing is missing between them. */

import uPlot from "uplot";
import { stamp } from "./clock";
import { zone } from "./page";
import { ink } from "./ink";

const HOUR = 3_600;
const HEIGHT = 150;
const WIDEST = 720;
/** The values' axis is as wide in every plot, so that the times stand above one another. */
const AXIS = 52;
/** A distance of so many times the usual one is a gap; one below an hour never is, one above a day and a half always. */
const GAP = 3;
const SHORTEST = HOUR;
const LONGEST = 36 * HOUR;
const CHANCES = [0.1, 0.25, 0.5, 1];

interface Point {
  t: number;
  v: number;
  band: string;
  noted: boolean;
}

export class Plot {
  #figure: HTMLElement;
  #place: HTMLElement;
  #points: Point[];
  #alerts: number[];
  #plot: uPlot;

  constructor(figure: HTMLElement) {
    this.#figure = figure;
    this.#place = figure.querySelector<HTMLElement>(".plot") ?? figure;
    this.#points = [...figure.querySelectorAll<HTMLElement>("tr[data-t]")].reverse().map(({ dataset }) => ({
      t: Number(dataset["t"]) / 1_000,
      v: Number(dataset["v"]),
      band: dataset["band"] ?? "",
      noted: "note" in dataset,
    }));
    this.#alerts = (figure.dataset["alerts"] ?? "").split(" ").filter(Boolean).map((at) => Number(at) / 1_000);
    this.#plot = new uPlot(this.#options(), this.#line(), this.#place);
  }

  /** The last hours up to an instant (ms). */
  show(hours: number, until: number): void {
    this.#plot.setScale("x", { min: until / 1_000 - hours * HOUR, max: until / 1_000 });
  }

  fit(): void {
    this.#plot.setSize(this.#size());
  }

  draw(): void {
    this.#plot.redraw(false);
  }

  #size(): { width: number; height: number } {
    return { width: Math.min(WIDEST, this.#place.clientWidth), height: HEIGHT };
  }

  /** The points that count, with a break in each gap. */
  #line(): uPlot.AlignedData {
    const points = this.#points;
    const steps = points.slice(1).map((point, i) => point.t - (points[i]?.t ?? point.t));
    const usual = [...steps].sort((a, b) => a - b)[Math.floor(steps.length / 2)] ?? 0;
    const xs: number[] = [];
    const ys: (number | null)[] = [];
    points.forEach((point, i) => {
      const step = steps[i - 1] ?? 0;
      if (step > Math.min(LONGEST, Math.max(SHORTEST, GAP * usual))) {
        xs.push(point.t - step / 2);
        ys.push(null);
      }
      xs.push(point.t);
      ys.push(point.v);
    });
    return [xs, ys];
  }

  #range(): [number, number] {
    const limit = (name: "low" | "high" | "usual") => (name in this.#figure.dataset ? [Number(this.#figure.dataset[name])] : []);
    const values = [...this.#points.map((point) => point.v), ...limit("low"), ...limit("high"), ...limit("usual")];
    const most = Math.max(...values);
    if (this.#figure.dataset["plot"] === "score") return [0, CHANCES.find((top) => top >= most) ?? 1];
    const least = Math.min(...values);
    const room = (most - least || Math.abs(most) || 1) * 0.12;
    return [least < 0 ? least - room : Math.max(0, least - room), most + room];
  }

  #options(): uPlot.Options {
    const score = this.#figure.dataset["plot"] === "score";
    const axis: uPlot.Axis = {
      stroke: () => ink("--soft"),
      font: "12px 'IBM Plex Sans', sans-serif",
      grid: { stroke: () => ink("--line"), width: 1 },
      ticks: { show: false },
    };
    return {
      ...this.#size(),
      padding: [10, 24, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      tzDate: (at) => uPlot.tzDate(new Date(at * 1_000), zone),
      scales: { x: { time: true }, y: { range: this.#range() } },
      series: [{}, { stroke: () => ink("--soft"), width: 1.25, points: { show: false } }],
      axes: [
        { ...axis, space: 90, size: 28, values: (_, ticks) => ticks.map((at) => stamp(at * 1_000)) },
        { ...axis, size: AXIS, space: 34, values: (_, ticks) => ticks.map((v) => (score ? `${Math.round(v * 100)} %` : written(v))) },
      ],
      hooks: { drawClear: [(plot) => this.#back(plot)], draw: [(plot) => this.#marks(plot)] },
    };
  }

  /** The reference range as a pale band; of a score, what is usual on the ward now as a dashed line. */
  #back(plot: uPlot): void {
    const { low, high, usual } = this.#figure.dataset;
    const { ctx, bbox } = plot;
    if (usual !== undefined) dashed(ctx, bbox, plot.valToPos(Number(usual), "y", true));
    if (low === undefined && high === undefined) return;
    const top = high === undefined ? bbox.top : Math.max(bbox.top, plot.valToPos(Number(high), "y", true));
    ctx.save();
    const bottom = low === undefined ? bbox.top + bbox.height : Math.min(bbox.top + bbox.height, plot.valToPos(Number(low), "y", true));
    ctx.fillStyle = ink("--range");
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
    ctx.restore();
  }

  #marks(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const size = 4 * devicePixelRatio;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left - size, bbox.top - 2 * size, bbox.width + 2 * size, bbox.height + 3 * size);
    ctx.clip();
    ctx.lineWidth = 1.5 * devicePixelRatio;
    for (const at of this.#alerts) triangle(ctx, plot.valToPos(at, "x", true), bbox.top, bbox.height, size);
    for (const point of this.#points) {
      const x = plot.valToPos(point.t, "x", true);
      const y = plot.valToPos(point.v, "y", true);
      ctx.strokeStyle = ink(point.band ? `--${point.band}-edge` : "--ink");
      ctx.fillStyle = ink(point.band ? `--${point.band}` : point.noted ? "--page" : "--ink");
      ctx.beginPath();
      ctx.arc(x, y, size, 0, 2 * Math.PI);
      ctx.fill();
      ctx.stroke();
    }
    ctx.restore();
  }
}

function written(value: number): string {
  return value.toLocaleString(document.documentElement.lang, { maximumFractionDigits: 2 });
}

function dashed(ctx: CanvasRenderingContext2D, { left, width }: uPlot.BBox, y: number): void {
  ctx.save();
  ctx.strokeStyle = ink("--soft");
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  ctx.moveTo(left, y);
  ctx.lineTo(left + width, y);
  ctx.stroke();
  ctx.restore();
}

function triangle(ctx: CanvasRenderingContext2D, x: number, top: number, height: number, size: number): void {
  ctx.strokeStyle = ctx.fillStyle = ink("--ink");
  ctx.beginPath();
  ctx.moveTo(x, top - 2 * size);
  ctx.lineTo(x + 1.3 * size, top);
  ctx.lineTo(x - 1.3 * size, top);
  ctx.closePath();
  ctx.fill();
  ctx.beginPath();
  ctx.moveTo(x, top);
  ctx.lineTo(x, top + height);
  ctx.lineWidth = devicePixelRatio;
  ctx.stroke();
}

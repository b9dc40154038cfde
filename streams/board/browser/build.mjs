// Builds ../static from src. Two builds of the same sources are equal to the byte.
import { build } from "esbuild";
import { readFile, rm, writeFile } from "node:fs/promises";

const OUT = "../static";
const COMMON = { bundle: true, minify: true, charset: "utf8", outdir: OUT, metafile: true, legalComments: "none", target: "es2022" };

await rm(OUT, { recursive: true, force: true });
const results = [
  await build({ ...COMMON, entryPoints: ["src/board.ts", "src/patient.ts", "src/still.ts", "src/wall.ts"], format: "esm" }),
  // Runs before the first paint, so it is no module: a dark ward gets no white flash.
  await build({ ...COMMON, entryPoints: ["src/theme.ts"], format: "iife" }),
  await build({ ...COMMON, entryPoints: ["src/board.css"], loader: { ".woff2": "file" }, assetNames: "[name]", target: [] }),
];

const used = new Set();
for (const { metafile } of results)
  for (const output of Object.values(metafile.outputs))
    for (const input of Object.keys(output.inputs).concat(fonts(output)))
      used.add(packageOf(input));
used.delete(null);

const locked = JSON.parse(await readFile("package-lock.json", "utf8")).packages;
const parts = [...used].sort().map((name) => {
  const { version, integrity, license } = locked[`node_modules/${name}`];
  return { name, version, integrity, licence: license };
});
await writeFile(`${OUT}/THIRD_PARTY.json`, JSON.stringify(parts, null, 2) + "\n");
for (const name of used)
  await writeFile(`${OUT}/LICENSE-${name.replace(/\W+/g, "-").replace(/^-/, "")}.txt`, await readFile(`node_modules/${name}/LICENSE`));

function packageOf(path) {
  return /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? null;
}

// A copied file is an output of its own, whose only input is the original.
function fonts(output) {
  return output.entryPoint?.endsWith(".css") ? Object.keys(output.inputs) : [];
}

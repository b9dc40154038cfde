"""Load tests: how long an event takes to become a score and an alert, beside a bare echo on the same broker."""

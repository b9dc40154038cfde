"""Load tests: how long an event takes to become an alert, beside a bare echo on the same broker."""

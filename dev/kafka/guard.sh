#!/bin/sh
# Cleans up after the program that runs local brokers, by whatever death it dies, SIGKILL included.
#
# usage: guard.sh RUN_FOLDER   with a pipe on standard input whose other end that program holds
#
# The program starts this script in a session of its own, so that neither a Ctrl-C in the terminal nor a kill of the
# whole process group reaches it. While the program lives, nothing comes through the pipe; when it has gone, for
# whatever reason, the pipe ends. Each process to end has its id in RUN_FOLDER/NAME.pid.
run=$1
trap '' HUP INT TERM
cd / || exit 1

while read -r _; do :; done

# A broker that is just being started looks for this file after it wrote its process id: either we see the id, or it
# sees the file and does not start.
: >"$run/closed"

pids=
for file in "$run"/*.pid; do
  if [ -s "$file" ]; then pids="$pids $(cat "$file")"; fi
done

# Signals all brokers that are left; false when there are none.
signal() {
  some_left=1
  for pid in $pids; do
    if kill "$1" "$pid" 2>/dev/null; then some_left=0; fi
  done
  return $some_left
}

signal -TERM
signal -CONT # a stopped process only notices when it goes on
tries=0
while signal -0 && [ $tries -lt 100 ]; do
  sleep 0.1
  tries=$((tries + 1))
done
signal -KILL

# A broker that was killed a moment ago may still be writing.
tries=0
until rm -rf "$run" 2>/dev/null || [ $tries -ge 20 ]; do
  sleep 0.1
  tries=$((tries + 1))
done

#!/bin/sh
# Records docs/nano/first-minute.svg: commands that are really run in a terminal. jwen-nano decodes greedily, so they give
# the same each time. Other commands may be given, one an argument. Needs `script` of util-linux.
set -eu
here=$(CDPATH='' cd -- "$(dirname "$0")" && pwd -P)
cd "$here/../.."
export TERM=xterm-256color LC_ALL=C.UTF-8
unset NO_COLOR

if [ $# -eq 0 ]; then
  set -- \
    './jwen run "What is 48231 + 9977?"' \
    './jwen run "Use the calculator: 318 * 27"' \
    './jwen run "How many r are in strawberry?"' \
    './jwen run --image docs/nano/picture.png "What do you see?"' \
    './jwen run "Who won the world cup in 1998?"' \
    './jwen run "How do I download another model?"'
fi

# The first call may build and prepare; that is no part of the picture.
./jwen --version >/dev/null
session=$(mktemp)
trap 'rm -f "$session"' EXIT
note=/nothing/
for command in "$@"; do
  printf '\033[1m$ %s\033[0m\n' "$command"
  # What jwen-nano is, it says each time; once is enough here.
  script -qec "stty cols 84 rows 40; $command" /dev/null </dev/null | sed "1{${note}d;}"
  note='/^jwen-nano: /'
  echo
done >"$session"

java=${JWEN_JAVA_HOME:+$JWEN_JAVA_HOME/bin/}java
"$java" "$here/Terminal.java" <"$session" >"$here/first-minute.svg"

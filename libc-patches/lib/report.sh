# shellcheck shell=bash
# What a person sees while a libc is built: one line a phase on the terminal,
# everything else in the log; and how a run ends when something is wrong.

# Errors, each one line: what was wrong; what to do.
die() {
	local status=$1
	shift
	clear_line
	printf 'build-libc: %s\n' "$*" >&2
	exit "$status"
}

note() {
	clear_line
	printf '%s: %s\n' "${name:-build-libc}" "$*" >&2
	[ -z "$log" ] || printf '%s\n' "== $*" >> "$log" || true
}

# The lines of a list, as words of a sentence.
one_line() { paste -s -d ' ' -; }

clear_line() { [ ! -t 2 ] || printf '\r\033[K' >&2; }

# progress LABEL [PERCENT]: rewrites the line on a terminal; elsewhere a plain
# line at most every ten seconds.
progress() {
	local now=$SECONDS text
	text=$(printf '%s: %-9s %3s  %d:%02d' "$name" "$1" "${2:+$2%}" \
		$((now / 60)) $((now % 60)))
	if [ -t 2 ]; then
		printf '\r%s\033[K' "$text" >&2
	elif [ "$1" != "$last_phase" ] || ((now >= last_line + 10)); then
		printf '%s\n' "$text" >&2
		last_phase=$1 last_line=$now
	fi
}
last_phase='' last_line=0

# Until the lock on the tree is taken the log is this run's own: that of a
# build under way is left alone.
start_log() {
	log=${log:-$scratch/log}
	: >> "$log"
	[ -n "$watched" ] || start_watchdog
}
watched=''

build_log() {
	local final=$build/log/$name.log
	cat "$scratch/log" 2> /dev/null > "$final.new" &&
		mv "$final.new" "$final" && log=$final ||
		die 4 "cannot write $final"
}

# Where the log can be read when this run has ended.
kept_log() {
	local copy=$build/log/$name-source.log
	if [ "$log" != "$scratch/log" ]; then
		echo "$log"
	else
		cp "$log" "$copy" 2> /dev/null && echo "$copy" ||
			echo "none, $copy cannot be written"
	fi
}

# The phase's commands run in a process group of their own, and the watchdog
# kills that group when this script goes away, however it goes away: nothing
# goes on writing into a tree that the next run takes over. It learns the
# group through a pipe whose other end only this script holds.
start_watchdog() {
	watched=yes
	# shellcheck disable=SC2016
	exec 8> >(exec setsid bash -c '
		trap "" INT TERM HUP
		while read -r line; do group=$line; done
		[ -z "$group" ] || kill -KILL -- "-$group"
	' 7>&- 9>&- > /dev/null 2>&1)
}

# run PHASE [-d DIR] COMMAND...: the command's output goes to the log;
# count_done, if PHASE is build, says how far it is.
run() {
	local phase=$1 dir=. pid status=0 tick=0 percent=''
	shift
	if [ "$1" = -d ]; then
		dir=$2
		shift 2
	fi
	printf '== %s: %s\n' "$phase" "$*" >> "$log"
	progress "$phase"
	(cd "$dir" && exec setsid "$@") < /dev/null >> "$log" 2>&1 8>&- &
	pid=$!
	echo "$pid" >&8
	while kill -0 "$pid" 2> /dev/null; do
		sleep 0.2
		((++tick % 10)) || {
			[ "$phase" != build ] || percent=$(count_done)
			progress "$phase" "$percent"
		}
	done
	wait "$pid" || status=$?
	echo >&8
	return "$status"
}

# A phase has failed: its last relevant lines, or the reason if it is known.
fail() {
	local phase=$1 advice='see the lines above'
	clear_line
	if disk_full; then
		die 4 "$phase of $name: no space left under $build;" \
			"make room and run this again; log: $(kept_log)"
	fi
	relevant_lines >&2
	die 4 "$phase of $name failed; $advice, the whole log is $(kept_log)"
}

disk_full() {
	local free dir
	tail -n 200 "$log" 2> /dev/null | grep -q 'No space left on device' &&
		return
	for dir in "$build" "$(dirname "${place:-$build}")"; do
		free=$(df -Pk "$dir" 2> /dev/null | awk 'NR == 2 { print $4 }')
		[ "${free:-9999}" -gt 64 ] || return 0
	done
	return 1
}

# The compiler's complaints if there are any, else simply the end.
relevant_lines() {
	local pattern='(error|Error|ERROR|fatal|undefined reference|\*\*\*)[: ]'
	grep -nE "$pattern" "$log" | tail -n 8 | cut -c 1-300 | grep . ||
		tail -n 8 "$log" | cut -c 1-300
}

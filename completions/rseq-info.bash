# SPDX-License-Identifier: MIT
# bash completion for rseq-info(1) and build-libc(1): the options are those that
# --help shows, the versions those that --list does.
_librseq()
{
	local command=$1 word=$2 previous=$3

	COMPREPLY=()
	case $previous in
	--source-dir | --prefix)
		mapfile -t COMPREPLY < <(compgen -d -- "$word")
		return ;;
	--jobs)
		return ;;
	esac
	case $word in
	-*)
		mapfile -t COMPREPLY < <(compgen -W "$("$command" --help |
			grep -oE '^ +--[a-z-]+' | tr -d ' ')" -- "$word") ;;
	*)
		case ${command##*/} in
		build-libc)
			mapfile -t COMPREPLY < <(compgen -W "musl glibc $(
				"$command" --list 2>/dev/null |
				awk 'NR > 1 { print $1 }')" -- "$word") ;;
		*)
			mapfile -t COMPREPLY < <(compgen -c -- "$word") ;;
		esac ;;
	esac
}
complete -o bashdefault -o default -F _librseq rseq-info build-libc

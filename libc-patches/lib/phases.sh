# shellcheck shell=bash
# The phases, and what each depends on.

digest() { sha256sum | cut -d ' ' -f 1; }

# is_done PHASE KEY RESULT: is the stamp there and what it stands for, too?
is_done() {
	[ -e "$work/$3" ] && [ "$(cat "$work/$1.done" 2> /dev/null)" = "$2" ]
}

# Whole or not at all: a stamp is written beside its place.
mark_done() {
	printf '%s\n' "$2" > "$work/$1.tmp" &&
		mv "$work/$1.tmp" "$work/$1.done"
}

# keys SHA256: what each phase depends on, as checksums.
keys() {
	source_key=$({
		echo "$1"
		cat "$here/lib/$libc.sh"
		patches | while read -r patch; do
			echo "${patch##*/}"
			cat "$patch" 2> /dev/null
		done
	} | digest)
	build_key=$(echo "$source_key $prefix ${cc##*ccache }" \
		"$($cc --version 2> /dev/null | head -n 1)" \
		"$(header_digest)" | digest)
	sysroot_key=$({
		echo "$build_key"
		cat "$here/lib/sysroot.sh" "$here"/lib/wrappers/* \
			"$here/lib/cxx.sh" "$here/lib/dl_find_object.c"
	} | digest)
}

record() { sed -n "s/^$1=//p" "$place/share/tlabi/sysroot.txt" 2> /dev/null; }

# Is the sysroot there and made from what we would make it from now?
built() {
	local sha
	. "$here/lib/$libc.sh"
	settle_prefix
	sha=$(record sha256)
	rows "$libc-$version" | grep -q " ${sha:-none} " || return
	fixes=$(record fixes)
	! wants_fixes "$libc-$version" || fixes_current "$fixes" || return
	keys "$sha $(record fixes_sha256)"
	[ "$(record key)" = "$sysroot_key" ] && cxx_is_right
}

# Sets prefix, and place to where it is put together.
settle_prefix() {
	case $prefix in
	'') prefix=$build/sysroot/$name ;;
	/*) ;;
	*) prefix=$PWD/$prefix ;;
	esac
	prefix=$(realpath -m "$prefix") || die 2 "correct --prefix"
	place=$prefix
	[ -z "$destdir" ] ||
		place=$(realpath -m -- "$destdir")$prefix ||
		die 2 "correct --destdir"
	need_plain "$place" --prefix
	need_plain "$build" TLABI_BUILD
	[ ! -e "$place" ] || [ -e "$place/share/tlabi/sysroot.txt" ] ||
		rmdir "$place" 2> /dev/null ||
		die 2 "$place exists and is no sysroot; choose another --prefix"
}

# need_plain PATH OPTION: commas are compilers' and sed's, percent signs make's
# and specs'.
need_plain() {
	case $1 in
	*[!A-Za-z0-9_./+@=~-]*)
		die 2 "libcs do not build under a path with such characters" \
			"as in $1; choose another${2:+ by $2}" ;;
	esac
}

build_sysroot() {
	. "$here/lib/$libc.sh"
	settle_prefix
	if built; then
		note "up to date: $place"
		return
	fi
	need_tools
	[ -n "$stock" ] || need_series
	mkdir -p "$work" "$(dirname "$place")" ||
		die 4 "cannot write to $work and $(dirname "$place")"
	take_lock && built && return
	need_source
	build_log
	sha=$(checksum "$tarball")
	fixes_sha=''
	[ -z "$fixes" ] || fixes_sha=$(checksum "$fixes")
	keys "$sha $fixes_sha"
	note "source: $tarball, ${fixes:-a plain release with no later fixes}"
	phase_source || fail "$phase"
	phase_configure || fail configure
	phase_build || fail build
	phase_install || fail install
	note "done in $((SECONDS / 60)):$(printf %02d $((SECONDS % 60)))," \
		"log: $log"
}

# One run at a time for one tree. What a killed run may have left behind
# holds the lock too, until it is gone. Succeeds if it had to wait.
take_lock() {
	exec 9> "$work/lock" || die 4 "cannot write to $work"
	locked 9 "$work" && return 1
	note "waiting for another build-libc that is building it"
	# A signal is seen between two commands.
	until locked 9 "$work"; do sleep 0.5; done
}

# locked FD WHAT: 1 says that another has it, more that there are no locks.
locked() {
	flock -n "$1" && return
	[ $? -eq 1 ] || die 4 "cannot lock $2; choose a place on a file" \
		"system that has locks"
	return 1
}

# make_stage DIR: empty, and this run's alone: another libc, or one from
# another build folder, may be on its way to the same place.
make_stage() {
	mkdir -p "$1" && exec 7< "$1" || return
	locked 7 "$1" || die 4 "another build-libc is about to write to" \
		"$place; wait for it, or choose another place"
	find "$1" -mindepth 1 -maxdepth 1 -exec rm -rf {} +
}

phase_source() {
	! is_done source "$source_key" src || return 0
	rm -rf "$work"/*.done "$work/src" "$work/obj" || return
	make_source || return
	mv "$work/src.tmp" "$work/src" && mark_done source "$source_key"
}

# The source as it is built, in $work/src.tmp.
make_source() {
	phase=unpack
	rm -rf "$work/src.tmp" && mkdir "$work/src.tmp" || return
	run unpack tar -x -f "$tarball" -C "$work/src.tmp" \
		--strip-components=1 --no-same-owner || return
	phase=fixes
	apply_fixes "$work/src.tmp" || return
	prepare_source "$work/src.tmp" || return
	phase='patch'
	apply_patches
}

# unpack_source DIR: that, for a person or a test to look at.
unpack_source() {
	. "$here/lib/$libc.sh"
	[ -n "$stock" ] || need_series
	[ ! -e "$1" ] || die 2 "$1 exists; give a directory to be made"
	need_tools
	need_source
	work=$scratch
	make_source || fail "$phase"
	mv "$work/src.tmp" "$1" || die 4 "cannot write to $1"
}

apply_patches() {
	local patch base all
	mapfile -t all < <(patches)
	for patch in "${all[@]}"; do
		base=${patch##*/}
		case $base in
		*-manual-*)
			if [ ! -e "$work/src.tmp/manual/threads.texi" ]; then
				printf '== patch: %s skipped: the tree has no manual/\n' \
					"$base" >> "$log"
				continue
			fi ;;
		esac
		run patch -d "$work/src.tmp" patch -p1 -f -N -F0 \
			--no-backup-if-mismatch -i "$patch" && continue
		! disk_full || return 1
		die 4 "$base does not apply to ${tarball##*/}:" \
			"$(failed_hunks "$patch"); log: $(kept_log)"
	done
}

# What patch(1) said about the last patch in the log: file and hunks.
failed_hunks() {
	awk -v start="-i $1" '
		index($0, start) { file = out = "" }
		/^patching file / { file = $3 }
		/^\|\+\+\+ / { file = $2; sub(/^b\//, "", file) }
		/^Hunk #[0-9]+ FAILED/ || /^No file to patch/ ||
		/^Reversed \(or previously/ || /malformed patch|Only garbage/ {
			text = $0
			sub(/^Hunk/, "hunk", text)
			sub(/^No file to patch.*/, "no such file", text)
			sub(/\.$/, "", text)
			out = out (out ? ", " : "") file ": " text
		}
		END { print out ? out : "see the log" }' "$log"
}

phase_configure() {
	! is_done configure "$build_key" obj || return 0
	rm -rf "$work/configure.done" "$work/build.done" "$work/obj" || return
	mkdir "$work/obj" || return
	configure_libc || return
	mark_done configure "$build_key"
}

phase_build() {
	! is_done build "$build_key" obj || return 0
	drop_unfinished || return
	: > "$work/building" || return
	run build make -C "$work/obj" -j "$jobs" || return
	mark_done build "$build_key" && rm -f "$work/building"
}

# After a build that was cut short the newest files may be half written, and
# make cannot know. Those of its last minute are made again.
drop_unfinished() {
	local newest
	[ -e "$work/building" ] || return 0
	newest=$(find "$work/obj" -type f -newer "$work/configure.done" \
		-printf '%T@\n' | sort -n | tail -n 1)
	[ -n "$newest" ] || return 0
	find "$work/obj" -type f -newer "$work/configure.done" \
		-newermt "@$((${newest%.*} - 60))" -delete
}

# Percentage of the objects that a whole build has, as counted once.
count_done() {
	local n
	n=$(find "$work/obj" -name '*.o' -o -name '*.lo' -o -name '*.o[sS]' |
		wc -l)
	n=$((n * 100 / objects))
	echo $((n > 99 ? 99 : n))
}

# Everything into a tree beside the final place, and that tree renamed: the
# record that makes a sysroot complete is in it from the first moment.
phase_install() {
	local stage
	stage=$(dirname "$place")/.${place##*/}.stage
	tree=$stage$prefix
	make_stage "$stage" && rm -rf "$stage.old" && mkdir -p "$tree" || return
	[ -n "$destdir" ] || kernel_headers "$tree/include" || return
	install_libc "$stage" || return
	[ -z "$destdir" ] || link_kernel_headers "$tree/include" || return
	progress install
	finish_sysroot || return
	if [ -e "$place" ]; then
		mv "$place" "$stage.old" || return
	fi
	mv -T "$tree" "$place" || return
	rm -rf "$stage" "$stage.old"
	[ -n "$cross$destdir" ] || [ ! -e "$place/sbin/ldconfig" ] ||
		refresh_cache
}

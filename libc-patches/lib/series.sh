# shellcheck shell=bash
# Which patches make up a version's series. Each patch stands once, in glibc/
# or musl/. A version that needs another form of it has that form under the
# same name in a folder of its own, which serves older versions too, down to
# the next that has one. The manifest says what came of it, with checksums.

manifest=$here/manifest

# folders LIBC: the versions that have a folder, oldest first.
folders() {
	local dir
	for dir in "$here/$1"/*/; do
		[ ! -d "$dir" ] || basename "$dir"
	done | sort -V
}

not_newer() { [ "$(printf '%s\n' "$@" | sort -V | head -n 1)" = "$1" ]; }

# compose LIBC-VERSION: its patches by the rule, as paths below libc-patches/.
compose() {
	local kind=${1%%-*} patch dir found
	for patch in "$here/$kind"/*.patch; do
		[ -e "$patch" ] || continue
		found=$kind/${patch##*/}
		for dir in $(folders "$kind"); do
			if not_newer "${1#*-}" "$dir" &&
				[ -e "$here/$kind/$dir/${patch##*/}" ]; then
				found=$kind/$dir/${patch##*/}
				break
			fi
		done
		echo "$found"
	done
}

# listed LIBC-VERSION: its patches as the manifest has them, "sha256 path".
listed() {
	awk -v v="$1" '$1 == v { print $2, $3 }' "$manifest" 2> /dev/null
}

percpu_malloc=0011-malloc-keep-free-slots-in-a-cache-for-each-cpu.patch

patches() {
	local path
	[ -n "$stock" ] || listed "$libc-$version" |
		while read -r _ path; do echo "$here/$path"; done |
		if [ -n "$without" ]; then grep -v "/$percpu_malloc\$"; else cat; fi
}

# A series that is not whole is not built, nor sent to anybody.
need_series() {
	local v=$libc-$version sha path got
	[ -z "$upstream" ] || ! fixes_rows "$v" | grep -q ' base:' ||
		die 2 "the patches for $v are made for the distribution's" \
			"source; leave out --upstream, or add --stock"
	while read -r sha path; do
		[ -e "$here/$path" ] || not_whole "$path is missing"
		got=$(checksum "$here/$path")
		[ "$got" = "$sha" ] || not_whole "$path has changed:" \
			"SHA-256 is $got, the manifest says $sha"
	done < <(listed "$v")
	path=$(diff <(listed "$v" | cut -d ' ' -f 2) <(compose "$v") |
		sed -n 's/^[<>] //p' | head -n 1)
	[ -z "$path" ] || not_whole "$path is in the folder or in the" \
		"manifest, but not in both"
	for path in "$here/$libc"/*/*.patch; do
		[ ! -e "$path" ] || [ -e "$here/$libc/${path##*/}" ] ||
			not_whole "${path#"$here"/} has no namesake in $libc/"
	done
	[ -n "$(listed "$v")" ] || die 3 "there are no patches for $v in" \
		"$here; use --stock to build it without"
}

not_whole() {
	die 3 "the series of $libc-$version is not whole: $*;" \
		"restore it, or run build-libc --manifest if that is meant"
}

write_manifest() {
	local v path sha
	{
		cat <<-'END'
		# The patches of each version in their order: LIBC-VERSION, SHA-256, path.
		# Written by build-libc --manifest.

		END
		for v in $(versions); do
			for path in $(compose "$v"); do
				sha=$(checksum "$here/$path")
				[ -n "$sha" ] || die 4 "cannot read $path"
				echo "$v $sha $path"
			done
		done
	} > "$manifest.tmp" && mv "$manifest.tmp" "$manifest" ||
		die 4 "cannot write $manifest"
}

# write_series DIR: the series as git format-patch would write it for a list,
# with the cover letter.
write_series() {
	local patch n=0 all
	need_series
	[ -z "$(ls -A "$1" 2> /dev/null)" ] ||
		die 2 "$1 is not empty; give a directory for the series alone"
	mkdir -p "$1" || die 4 "cannot write to $1"
	mapfile -t all < <(patches)
	cover_letter "${#all[@]}" "$1"
	for patch in "${all[@]}"; do
		n=$((n + 1))
		sed "1,/^\$/s,^\(Subject: \[PATCH\)],\1 $n/${#all[@]}]," \
			"$patch" > "$1/${patch##*/}" ||
			die 4 "cannot write to $1"
		echo "$1/${patch##*/}"
	done
	note "no patch has a Signed-off-by line: who sends them adds one," \
		"as by git am --signoff"
}

# cover_letter COUNT DIR: the first line of the text is its subject. Its name
# does not end as those of the patches, of which git am takes all.
cover_letter() {
	local text=$here/$libc/cover-letter
	[ -e "$text" ] || return 0
	{
		echo "Subject: [PATCH 0/$1] $(head -n 1 "$text")"
		tail -n +2 "$text"
	} > "$2/0000-cover-letter" || die 4 "cannot write to $2"
	echo "$2/0000-cover-letter"
}

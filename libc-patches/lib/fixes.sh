# shellcheck shell=bash
# What a distribution has mended since the release that it took up: the patches
# of its source package, which go on before ours. They are in the table as
# "fixes:" and the suites that have them, or as "base:" where ours are made for
# the source with them and do not apply without.

fixes_rows() {
	awk -v v="$1" '$1 == v && $4 ~ /^(fixes|base):/ { print $2, $3, $4 }' \
		"$here/sources"
}

wants_fixes() { [ -z "$upstream" ] && [ -n "$(fixes_rows "$1")" ]; }

# revision FILE: that of the source package, as in 2.41-12+deb13u4.
revision() {
	local name=${1##*/}
	name=${name#*_}
	echo "${name%.debian.tar.*}"
}

# find_fixes VERSION: sets found. What is here and in the table will do; else
# the newest revision that the archive delivers, in the table or not: apt has
# checked it against the archive's signature.
find_fixes() {
	local file sha where got suite revision all=''
	why="no fixes: not in ${source_dir:+$source_dir or }$cache"
	look fixes_rows "$1" && return
	if [ -n "$TLABI_OFFLINE" ]; then
		why+=', TLABI_OFFLINE is set'
		return 1
	fi
	where=$(fixes_rows "$1" | cut -d ' ' -f 3 | head -n 1)
	for suite in $(echo "${where#*:}" | tr , ' '); do
		archive_index "$suite" || continue
		all+=$(revisions "$suite" "$1" | sed "s/$/ $suite/")$'\n'
	done
	while read -r revision suite; do
		[ -n "$revision" ] || continue
		file=${1%%-*}_$revision.debian.tar.xz
		from_archive "$file" "$suite" || continue
		sha=$(fixes_rows "$1" | awk -v f="$file" '$1 == f { print $2 }')
		[ -n "$sha" ] || note "$file is newer than what is known here;" \
			"the archive's signature vouches for it"
		keep "$file" "${sha:-$(checksum "$got")}" && return
	done < <(sort -Vr <<< "$all")
	return 1
}

# revisions SUITE VERSION: those of the source package in that suite.
revisions() {
	LC_ALL=C APT_CONFIG='' apt-cache -c "$scratch/apt/$1/conf" \
		showsrc "${2%%-*}" 2>> "$log" |
		sed -n "s/^Version: \(${2#*-}-.*\)/\1/p" | sort -u
}

# Is what the sysroot was built with one of the known, or newer?
fixes_current() {
	local file=$1 newest
	[ -n "$file" ] || return
	fixes_rows "$libc-$version" | grep -qF "$file " && return
	newest=$(fixes_rows "$libc-$version" | head -n 1)
	not_newer "$(revision "${newest%% *}")" "$(revision "$file")"
}

# apply_fixes TREE: as dpkg-source would. Its generated files are newer than
# what they are made from, whatever the order in the patches was.
apply_fixes() {
	[ -n "$fixes" ] || return 0
	rm -rf "$work/fixes" && mkdir "$work/fixes" &&
	run unpack tar -x -f "$fixes" -C "$work/fixes" --no-same-owner || return
	[ -e "$work/fixes/debian/patches/series" ] || return 0
	# shellcheck disable=SC2016
	run fixes -d "$1" bash -c '
		awk "!/^#/ && NF { print \$1 }" "$0/series" |
		while read -r patch; do
			patch -p1 -f -N -t -F0 --no-backup-if-mismatch \
				-i "$0/$patch" || exit
		done' "$work/fixes/debian/patches" &&
	find "$1" -name configure -exec touch {} +
}

# shellcheck shell=bash
# A Debian package of a libc, beside the system's: a source package that holds
# the tarballs and what builds them, so that no network is asked, and what
# dpkg-buildpackage(1) makes of it.

# write_deb DIR: into DIR. The version says which revision of the
# distribution's source is in it. Made beside DIR and renamed, as a sysroot is:
# what a run that was cut short has left is taken away by the next.
write_deb() {
	local source=$libc-tlabi revision place stage tree gcc
	need_tools
	[ -n "$stock" ] || need_series
	# The C++ headers of a musl are one compiler's.
	gcc=gcc
	[ "$libc" != musl ] || gcc=gcc-$($cc -dumpversion)
	place=$(realpath -m "$1")
	need_plain "$place" ''
	stage=${place%/*}/.${place##*/}.stage
	mkdir -p "$work" "${place%/*}" ||
		die 4 "cannot write to $work and ${place%/*}"
	take_lock
	[ -z "$(ls -A "$place" 2> /dev/null)" ] ||
		die 2 "$1 is not empty; give a directory for the packages alone"
	need_source
	revision=$version-0
	[ -z "$fixes" ] || revision=$(revision "$fixes")
	tree=$stage/$source-$version
	make_stage "$stage" &&
	mkdir -p "$tree/tarballs" "$tree/libc-patches" &&
	cp "$tarball" ${fixes:+"$fixes"} "$tree/tarballs" &&
	cp -r "$here"/{build-libc,lib,manifest,sources,"$libc"} \
		"$tree/libc-patches" &&
	cp "$(dirname "$here")"/man/tlabi-{gcc,run}.1 "$tree" &&
	debian_directory "$tree/debian" || die 4 "cannot write to $stage"
	run deb tar -C "$stage" --sort=name --mtime=@0 --owner=0 --group=0 \
		--exclude="$source-$version/debian" -cJf \
		"$stage/${source}_$version.orig.tar.xz" "$source-$version" &&
	run deb -d "$tree" dpkg-buildpackage -us -uc "-j$jobs" ||
		fail deb
	rm -rf "$tree" && mv -T "$stage" "$place" || die 4 "cannot write to $1"
	printf '%s\n' "$place"/*.deb
}

# debian_directory DIR: control files that are one libc's have its name behind
# theirs.
debian_directory() {
	local file
	cp -r "$here/debian" "$1" || return
	for file in "$1"/*."$libc"; do
		mv "$file" "${file%."$libc"}" || return
	done
	rm -f "$1"/*.glibc "$1"/*.musl
	{
		echo
		tar -x -O -f "$tarball" --wildcards \
			--no-wildcards-match-slash '*/COPYRIGHT' '*/LICENSES' \
			2> /dev/null | grep ''
	} >> "$1/copyright" || return
	find "$1" -type f -exec sed -i -e "s,@SOURCE@,$source,g" \
		-e "s,@REVISION@,$revision,g" -e "s,@LIBC@,$libc,g" \
		-e "s,@VERSION@,$version,g" -e "s,@GCC@,$gcc,g" \
		-e "s,@GXX@,$(cxx_of "$gcc"),g" {} +
}

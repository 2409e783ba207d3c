# shellcheck shell=bash
# Where a tarball comes from: a directory the user names, the cache, the
# distribution's archive, upstream. Each is checked against the pinned
# SHA-256; one that does not match is named and the next source is tried.

# rows VERSION: its tarballs in the table, "file sha256 where". A distribution's
# fixes are for the distribution's tarball.
rows() {
	awk -v v="$1" -v fixed="$(wants_fixes "$1" && echo yes)" '
		$1 == v && $4 !~ /^(fixes|base):/ &&
		(!fixed || $4 ~ /^archive:/) { print $2, $3, $4 }
	' "$here/sources"
}

versions() {
	awk '!/^#/ && NF && !seen[$1]++ { print $1 }' "$here/sources"
}

checksum() { sha256sum < "$1" | cut -d ' ' -f 1; }

# verify FILE SHA256: says so when it does not match.
verify() {
	local got
	got=$(checksum "$1")
	[ "$got" = "$2" ] && return
	if [ -z "$got" ]; then
		note "$1 cannot be read"
		return 1
	fi
	note "$1 is corrupt or truncated: SHA-256 is $got, expected $2"
	return 1
}

# at_hand VERSION: sets tarball and fixes, without any network.
at_hand() {
	local found
	look rows "$1" && tarball=$found || return
	! wants_fixes "$1" || { look fixes_rows "$1" && fixes=$found; }
}

# look ROWS VERSION: sets found to the first of those files that is here.
look() {
	local dir file sha
	for dir in "$source_dir" "$cache"; do
		[ -n "$dir" ] || continue
		while read -r file sha _; do
			[ -f "$dir/$file" ] || continue
			if verify "$dir/$file" "$sha"; then
				found=$dir/$file
				return
			fi
			[ "$dir" != "$cache" ] || rm -f "$dir/$file"
		done < <("$1" "$2")
	done
	return 1
}

# find_source VERSION: sets tarball and fixes, or fails with the reasons in why.
find_source() {
	local found
	tarball='' fixes='' why="not in ${source_dir:+$source_dir or }$cache"
	find_tarball "$1" && tarball=$found || return
	! wants_fixes "$1" || { find_fixes "$1" && fixes=$found; }
}

find_tarball() {
	local file sha where got
	look rows "$1" && return
	if [ -n "$TLABI_OFFLINE" ]; then
		why+=', TLABI_OFFLINE is set'
		return 1
	fi
	while read -r file sha where; do
		case $where in
		archive:*) from_archive "$file" "${where#archive:}" ;;
		*) false ;;
		esac && keep "$file" "$sha" && return
	done < <(rows "$1")
	while read -r file sha where; do
		case $where in
		http*) from_upstream "$where$file" ;;
		*) false ;;
		esac && keep "$file" "$sha" && return
	done < <(rows "$1")
	return 1
}

# keep FILE SHA256: what was fetched to $got enters the cache if it is right.
keep() {
	if ! verify "$got" "$2"; then
		rm -f "$got"
		why+=", the $1 that came is not the known one"
		return 1
	fi
	mkdir -p "$cache" && cp "$got" "$cache/.$1.$$" 2>> "$log" &&
		mv "$cache/.$1.$$" "$cache/$1" || {
		rm -f "$cache/.$1.$$"
		die 4 "cannot write $1 to $cache; make room there, or make" \
			"it writable"
	}
	rm -f "$got"
	found=$cache/$1
}

# The machine's own mirror, asked for one suite after the other, each with a
# configuration and state of its own in $scratch; the system's stay as they are.
from_archive() {
	local file=$1 package=${1%%_*} suite version part=--tar-only
	case $file in *.debian.tar.*) part=--diff-only ;; esac
	for suite in ${2//,/ }; do
		archive_index "$suite" || continue
		version=$(archive_version "$suite" "$file")
		if [ -z "$version" ]; then
			why+=", suite $suite has no $file"
			continue
		fi
		# In a directory that apt's own unprivileged user may write to.
		rm -rf "$scratch/get"
		mkdir -m 1777 "$scratch/get"
		from_here
		run fetch -d "$scratch/get" env LC_ALL=C APT_CONFIG= apt-get \
			-c "$scratch/apt/$suite/conf" -q source --download-only \
			"$part" --only-source "$package=$version" &&
		got=$scratch/get/$file && [ -f "$got" ] && return
		why+=", suite $suite did not deliver $file: $(apt_says)"
	done
	return 1
}

# The version of the source package in that suite that the file belongs to.
archive_version() {
	LC_ALL=C APT_CONFIG='' apt-cache -c "$scratch/apt/$1/conf" \
		showsrc "${2%%_*}" 2>> "$log" | awk -v file="$2" '
			$1 == "Version:" { version = $2 }
			$3 == file { print version; exit }'
}

# Does the archive hold a source of that version?
in_archive() {
	local file where suite
	[ -z "$TLABI_OFFLINE" ] || return
	while read -r file _ where; do
		case $where in
		archive:*) where=${where#archive:} ;;
		*) continue ;;
		esac
		for suite in ${where//,/ }; do
			archive_index "$suite" &&
			[ -n "$(archive_version "$suite" "$file")" ] && return
		done
	done < <(rows "$1")
	return 1
}

# archive_index SUITE: fetches its index, once. A suite that cannot be had says
# nothing about the others.
archive_index() {
	[ -n "${index[$1]-}" ] || fetch_index "$1"
	[ "${index[$1]}" = ok ] && return
	why+=", ${index[$1]}"
	return 1
}
declare -A index=()

fetch_index() {
	local conf=$scratch/apt/$1
	if ! command -v apt-get > /dev/null; then
		index[$1]='this machine has no apt'
		return
	fi
	mkdir -p "$conf/lists/partial" "$conf/cache/archives/partial"
	: > "$conf/status"
	cat > "$conf/conf" <<-END
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
		Dir::Etc::SourceList "$conf/private.sources";
		Dir::Etc::SourceParts "/dev/null";
		Dir::State::Lists "$conf/lists";
		Dir::State::Status "$conf/status";
		Dir::Cache "$conf/cache";
		Acquire::Languages "none";
		Acquire::Retries "1";
		Acquire::http::Timeout "20";
		Acquire::https::Timeout "20";
	END
	own_mirrors "$1" > "$conf/private.sources"
	if [ ! -s "$conf/private.sources" ]; then
		index[$1]="no archive of Debian's in this machine's apt sources"
		return
	fi
	from_here
	run fetch env LC_ALL=C APT_CONFIG= apt-get -c "$conf/conf" -q update
	if ls "$conf/lists"/*_Sources* > /dev/null 2>&1; then
		index[$1]=ok
	else
		index[$1]="suite $1 cannot be had: $(apt_says)"
	fi
}

# What a command has written to the log since from_here.
from_here() { logged=$(($(wc -l < "$log") + 2)); }
since_then() { tail -n "+$logged" "$log"; }

# The first of apt's complaints, without what does not help.
apt_says() {
	since_then | sed -n 's/^[EW]: //p' | sed -e 's/^Failed to fetch //' \
		-e 's/\. Updates for this repository will not be applied\.$//' \
		-e 's/  */ /g' | head -n 1 | grep . || echo 'no reason was given'
}

# own_mirrors SUITE: a deb-src stanza for that suite at each place where this
# machine gets its own release's main component from, with the same keyring
# and the same opinion of dates.
own_mirrors() {
	local etc=${TLABI_APT_ETC:-/etc/apt} codename
	codename=$(. /etc/os-release 2> /dev/null && echo "$VERSION_CODENAME")
	{
		cat "$etc"/sources.list "$etc"/sources.list.d/*.list |
			one_line_sources
		for file in "$etc"/sources.list.d/*.sources; do
			cat "$file"
			echo
		done
	} 2> /dev/null | awk -v codename="$codename" -v suite="$1" \
		-f "$here/lib/mirrors.awk"
}

# The one-line format in the terms of the other one.
one_line_sources() {
	awk '
		$1 != "deb" && $1 != "deb-src" { next }
		{
			sub(/#.*/, "")
			key = date = ""
			if (match($0, /\[[^]]*\]/)) {
				n = split(substr($0, RSTART + 1, RLENGTH - 2), option, " ")
				for (i = 1; i <= n; i++) {
					if (tolower(option[i]) ~ /^signed-by=/)
						key = substr(option[i], 11)
					if (tolower(option[i]) ~ /^check-valid-until=/)
						date = substr(option[i], 19)
				}
				$0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
			}
			print "Types: " $1 "\nURIs: " $2 "\nSuites: " $3
			printf "Components:"
			for (i = 4; i <= NF; i++)
				printf " %s", $i
			print ""
			if (key)
				print "Signed-By: " key
			if (date)
				print "Check-Valid-Until: " date
			print ""
		}'
}

# from_upstream URL: with curl, and if that is not here or does not get it, wget.
from_upstream() {
	local url=$1
	got=$scratch/${url##*/}
	fetch_by curl -fsSL --connect-timeout 20 --retry 1 -o "$got" "$url" ||
	fetch_by wget -nv --timeout=20 --tries=2 -O "$got" "$url"
}

fetch_by() {
	if ! command -v "$1" > /dev/null; then
		why+=", there is no $1 to ask ${url%/*}/ with"
		return 1
	fi
	from_here
	run fetch "$@" && return
	why+=", ${url%/*}/ cannot be had by $1: $(since_then | grep -v '^ *$' |
		tail -n 1 | sed "s/^$1: //" | cut -c 1-200)"
	return 1
}

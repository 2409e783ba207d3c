# shellcheck shell=bash
# Where a tarball comes from: a directory the user names, the cache, the
# distribution's archive, upstream. Each is checked against the pinned
# SHA-256; one that does not match is named and the next source is tried.

# rows VERSION: its lines of the table, "file sha256 where".
rows() {
	awk -v v="$1" '$1 == v { print $2, $3, $4 }' "$here/sources"
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
	note "$1 is corrupt or truncated: SHA-256 is $got, expected $2"
	return 1
}

# at_hand VERSION: sets tarball, without any network.
at_hand() {
	local dir file sha
	for dir in "$source_dir" "$cache"; do
		[ -n "$dir" ] || continue
		while read -r file sha _; do
			[ -f "$dir/$file" ] || continue
			if verify "$dir/$file" "$sha"; then
				tarball=$dir/$file
				return
			fi
			[ "$dir" != "$cache" ] || rm -f "$dir/$file"
		done < <(rows "$1")
	done
	return 1
}

# find_source VERSION: sets tarball, or fails with the reasons in why.
find_source() {
	local file sha where got
	tarball='' why="not in ${source_dir:+$source_dir or }$cache"
	at_hand "$1" && return
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
		return 1
	fi
	mkdir -p "$cache" && cp "$got" "$cache/.$1.$$" 2>> "$log" &&
		mv "$cache/.$1.$$" "$cache/$1" || {
		rm -f "$cache/.$1.$$"
		die 4 "cannot write $1 to $cache; make room there"
	}
	rm -f "$got"
	tarball=$cache/$1
}

# The machine's own mirror, asked for other suites, with a configuration and
# state of its own in $scratch; the system's stay as they are.
from_archive() {
	local file=$1 suites=$2 package version
	if ! command -v apt-get > /dev/null; then
		why+=', this machine has no apt'
		return 1
	fi
	archive_index "$suites" || return
	package=${file%%_*}
	version=$(archive_version "$file")
	if [ -z "$version" ]; then
		why+=", not in the distribution's archive ($suites)"
		return 1
	fi
	progress fetch
	# In a directory that apt's own unprivileged user may write to.
	rm -rf "$scratch/get"
	mkdir -m 1777 "$scratch/get"
	(cd "$scratch/get" && private_apt apt-get source --download-only \
		--tar-only --only-source "$package=$version") >> "$log" 2>&1
	got=$scratch/get/$file
	[ -f "$got" ] && return
	why+=", the distribution's archive did not deliver $file"
	return 1
}

# The version of the source package that the file belongs to.
archive_version() {
	private_apt apt-cache showsrc "${1%%_*}" 2>> "$log" |
		awk -v file="$1" '
			$1 == "Version:" { version = $2 }
			$3 == file { print version; exit }'
}

# Does the archive hold a source of that version?
in_archive() {
	local file where
	[ -z "$TLABI_OFFLINE" ] && command -v apt-get > /dev/null || return
	while read -r file _ where; do
		case $where in
		archive:*)
			archive_index "${where#archive:}" &&
			[ -n "$(archive_version "$file")" ] && return ;;
		esac
	done < <(rows "$1")
	return 1
}

# archive_index SUITES: fetches the indexes of those suites, once each.
archive_index() {
	local conf=$scratch/apt suite
	mkdir -p "$conf/lists/partial" "$conf/cache/archives/partial"
	case $indexed in
	*unreachable*) return 1 ;;
	*" $1 "*) return ;;
	esac
	indexed+=" $1 "
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
	for suite in ${1//,/ }; do
		own_mirrors "$suite"
	done >> "$conf/private.sources"
	if [ ! -s "$conf/private.sources" ]; then
		why+=", no archive of Debian's in this machine's apt sources"
		return 1
	fi
	progress fetch
	run fetch env LC_ALL=C APT_CONFIG= \
		apt-get -c "$conf/conf" -q update || true
	if ! ls "$conf/lists"/*_Sources* > /dev/null 2>&1; then
		why+=", the distribution's archive cannot be reached"
		indexed+=unreachable
		return 1
	fi
}
indexed=''

private_apt() { LC_ALL=C "$1" -c "$scratch/apt/conf" -q "${@:2}"; }

# own_mirrors SUITE: a deb-src stanza for that suite at each place where this
# machine gets its own release's main component from, with the same keyring.
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
			key = ""
			if (match($0, /\[[^]]*\]/)) {
				n = split(substr($0, RSTART + 1, RLENGTH - 2), option, " ")
				for (i = 1; i <= n; i++)
					if (tolower(option[i]) ~ /^signed-by=/)
						key = substr(option[i], 11)
				$0 = substr($0, 1, RSTART - 1) substr($0, RSTART + RLENGTH)
			}
			print "Types: " $1 "\nURIs: " $2 "\nSuites: " $3
			printf "Components:"
			for (i = 4; i <= NF; i++)
				printf " %s", $i
			print ""
			if (key)
				print "Signed-By: " key
			print ""
		}'
}

from_upstream() {
	local url=$1
	got=$scratch/${url##*/}
	if command -v curl > /dev/null; then
		run fetch curl -fsSL --connect-timeout 20 --retry 1 \
			-o "$got" "$url"
	elif command -v wget > /dev/null; then
		run fetch wget -nv --timeout=20 --tries=2 -O "$got" "$url"
	else
		why+=', neither curl nor wget to ask upstream with'
		return 1
	fi && return
	why+=", ${url%/*}/ cannot be reached"
	return 1
}

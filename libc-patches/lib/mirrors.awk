# Stanzas of apt sources in; out, for each place that has this machine's own
# release and a component main, a stanza for the sources of another suite;
# for a suite of security updates, for each place that has this machine's own.

# Is it the machine's own release, or that of its security updates? Of awk only
# what mawk has, too.
function is_own(name,    release)
{
	release = suite ~ /-security$/ ? codename "-security" : codename
	if (name == release)
		return 1
	if (suite ~ /-security$/)
		return name ~ /^(oldoldstable|oldstable|stable|testing)-security$/
	return name ~ /^(oldoldstable|oldstable|stable|testing|sid|unstable)$/
}

function flush(    i, n, word, own)
{
	n = split(field["suites"], word, " ")
	for (i = 1; i <= n; i++)
		if (is_own(word[i]))
			own = 1
	if (own && (" " field["components"] " ") ~ / main / &&
	    tolower(field["enabled"]) !~ /^ *no/) {
		n = split(field["uris"], word, " ")
		for (i = 1; i <= n; i++) {
			if (seen[word[i]]++)
				continue
			print "Types: deb-src"
			print "URIs: " word[i]
			print "Suites: " suite
			print "Components: main"
			if (field["signed-by"] != "")
				print "Signed-By:" field["signed-by"]
			if (field["check-valid-until"] != "")
				print "Check-Valid-Until:" \
					field["check-valid-until"]
			print ""
		}
	}
	delete field
	last = ""
}

/^#/		{ next }
/^[ \t]*$/	{ flush(); next }
/^[ \t]/	{ field[last] = field[last] "\n" $0; next }
{
	last = tolower(substr($0, 1, index($0, ":") - 1))
	field[last] = substr($0, index($0, ":") + 1)
}
END		{ flush() }

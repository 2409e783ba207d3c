# Stanzas of apt sources in; out, for each place that has this machine's own
# release and a component main, a stanza for the sources of another suite;
# for a suite of security updates, for each place that has this machine's own.

function flush(    i, n, word, own)
{
	n = split(field["suites"], word, " ")
	for (i = 1; i <= n; i++)
		if (suite ~ /-security$/ ?
		    word[i] == codename "-security" ||
		    word[i] ~ /^(oldoldstable|oldstable|stable|testing)-security$/ :
		    word[i] == codename ||
		    word[i] ~ /^(oldoldstable|oldstable|stable|testing|sid|unstable)$/)
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

# Turns the IANA registry (service_name,port,protocol,description; ordered by port) into C: all texts in one string, whose
# offsets the entries hold, so that a program that carries it needs no relocation for it; the entries in the registry's
# order; those that are ranges of ports; and the entries by name, letters' case folded.
function quoted(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/"/, "\\\"", text)
	return "\"" text "\\0\""
}
# The offset of a text, which is written once.
function offset(text) {
	if (!(text in offsets)) {
		offsets[text] = size
		texts[++text_count] = text
		size += length(text) + 1
	}
	return offsets[text]
}
BEGIN {
	FS = ","
	size = count = range_count = 0
}
NR > 1 {
	sub(/\r$/, "")
	description = $0
	sub(/^[^,]*,[^,]*,[^,]*,/, "", description)
	if (description ~ /^".*"$/) {
		description = substr(description, 2, length(description) - 2)
		gsub(/""/, "\"", description)
	}
	gsub(/[\001-\037]/, " ", description)
	if ($1 == "" || $2 !~ /^[0-9]+(-[0-9]+)?$/ || $3 == "")
		next
	ports = split($2, range, "-")
	if (range[1] + 0 < last_port + 0) {
		print FILENAME ":" NR ": not ordered by port" > "/dev/stderr"
		failed = 1
		exit 1
	}
	last_port = range[1]
	entries[count] = offset($1) ", " offset($3) ", " offset(description) ", " range[1] ", " range[ports]
	names[count++] = tolower($1)
	if (ports > 1)
		ranges[range_count++] = count - 1
}
END {
	if (failed)
		exit 1
	print "static const char iana_texts[] ="
	for (i = 1; i <= text_count; i++)
		print quoted(texts[i])
	print ";\nstatic const struct iana_entry iana_entries[] = {"
	for (i = 0; i < count; i++)
		print "{ " entries[i] " },"
	print "};\nstatic const uint16_t iana_ranges[] = {"
	for (i = 0; i < range_count; i++)
		print ranges[i] ","
	print "};\nstatic const uint16_t iana_by_name[] = {"
	fflush()
	sorter = "sort -k1,1 -k2,2n | sed 's/.* //; s/$/,/'"
	for (i = 0; i < count; i++)
		print names[i], i | sorter
	close(sorter)
	print "};"
}

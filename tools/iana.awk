# Turns the IANA registry (service_name,port,protocol,description) into entries of a C table. A range gives one entry: its
# first port, as services(5) would have it.
function quoted(text) {
	gsub(/\\/, "\\\\", text)
	gsub(/"/, "\\\"", text)
	return "\"" text "\""
}
BEGIN { FS = "," }
NR > 1 {
	description = $0
	sub(/^[^,]*,[^,]*,[^,]*,/, "", description)
	if (description ~ /^".*"$/) {
		description = substr(description, 2, length(description) - 2)
		gsub(/""/, "\"", description)
	}
	gsub(/[\001-\037]/, " ", description)
	split($2, range, "-")
	printf "{ %s, %s, %s, %d },\n", quoted($1), quoted($3), quoted(description), range[1]
}

# From `nm -n` of the first link: the table that kernel/lib/symbols.c reads, as nasm source. Only
# functions (text symbols), so that the table may grow without moving what it names.
BEGIN {
	print "section .ksyms progbits alloc noexec nowrite align=8"
	print "extern _text"
	print "global symbol_table"
	print "global symbol_names"
	print "global symbol_count"
	print "symbol_table:"
}
$3 == "_text" { base = $1 }
$2 ~ /^[tTwW]$/ && base != "" && $3 != "_text" && $3 != "_etext" && $3 !~ /\./ || \
$2 == "t" && base != "" && $3 ~ /^[a-zA-Z_].*\.(part|constprop|isra|cold)/ {
	# Same address twice: the first name is as good.
	if ($1 == last)
		next
	last = $1
	printf "dd %d, %d\n", hex($1) - hex(base), length_so_far
	names[count++] = $3
	length_so_far += length($3) + 1
}
END {
	print "symbol_names:"
	for (i = 0; i < count; i++)
		printf "db '%s', 0\n", names[i]
	print "align 4, db 0"
	print "symbol_count: dd " count + 0
}
# Addresses are 0xffffffff80000000 and up: the lower half is enough, and fits awk's numbers.
function hex(s,    i, v) {
	s = substr(s, 9)
	for (i = 1; i <= 8; i++)
		v = v * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
	return v
}

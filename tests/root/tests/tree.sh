#!/bin/sh
# Tools over a tree of 2,000 files: tree.sh makes it below the current folder and prints what must be
# the same wherever the same busybox runs.
awk 'BEGIN {
	for (d = 0; d < 40; d++) {
		system("mkdir -p tree/" d % 8 "/dir" d)
		for (f = 0; f < 50; f++) {
			name = "tree/" d % 8 "/dir" d "/file" f (f % 5 ? ".txt" : ".dat")
			for (line = (d * f) % 5; line >= 0; line--)
				print d, f, line, (d * 7919 + f * 104729 + line * 1299709) % 65521 >name
			close(name)
		}
	}
}'
find tree -type f | wc -l
find tree -type d | sort | tail -3
find tree -name '*.dat' | sort | md5sum
find tree -type f -size +50c | wc -l
find tree -type f -print0 | xargs -0 sha256sum | sort -k2 >sums
sha256sum <sums; tail -1 sums
find tree -type f | sort | xargs cat >all
wc all
sort -k4n -k1n -k2n -k3n all | sha256sum
sort -u -k4,4n all | wc -l
awk '{ s[$1] += $4 } END { for (d in s) print d, s[d] }' all | sort -n | tail -3
cut -d' ' -f4 all | sort -n | uniq -c | sort -k1nr -k2n | head -3
grep -rl ' 1 424' tree | sort
grep -c . all; sed 's/ /,/g' all | md5sum
tar cf tree.tar tree
tar tf tree.tar | sort | sha256sum
mkdir out; tar xf tree.tar -C out
(cd out && sha256sum -c ../sums) | grep -vc ': OK$'
diff -r tree out/tree && echo alike
gzip -c tree.tar | gunzip -c | cmp - tree.tar && echo packed and unpacked
find out -name 'file1?.txt' -exec rm {} +
find out -type f | wc -l
rm -r out tree; echo *

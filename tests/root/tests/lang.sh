#!/bin/sh
# The shell's language. The harness runs it with the same busybox here and in the guest, in an empty
# folder, and compares what it prints; so nothing here may depend on pids, times or who runs it.

say() { echo "-- $*"; }

say words, quotes, expansion
a=apple b='two words' empty=
echo $a "$b" '$a' "$a's" \$a ${empty:-none} ${a#ap} ${a%le} ${a%%p*} ${#a} ${b/two/three} ${a:1:3}
unset nothing
echo "${nothing-unset}" "${empty+set}" "${nothing:=given}" "$nothing"
set -- one "two three" four
echo $# "$2" "$*"
for w in "$@"; do printf '<%s>' "$w"; done; echo
shift; echo "$1"
IFS=: ; set -- x:y::z; set -- $1; echo "$#/$4"; unset IFS
echo $((7 * 6)) $((1 << 20)) $((17 % 5)) $((0x1f)) $((a1 = 3, a1 * a1)) $((5 > 3 && 2 > 1))
echo "$(echo nested "$(echo deeper "`echo deepest`")")"

say functions and flow
fact() { local n=$1; if [ $n -le 1 ]; then echo 1; else echo $((n * $(fact $((n - 1))))); fi; }
fact 10
many() { return 42; }
many; echo $?
i=0; while :; do i=$((i + 1)); [ $i = 3 ] && continue; [ $i -gt 5 ] && break; printf '%s ' $i; done; echo
until [ $i -le 0 ]; do i=$((i - 2)); done; echo $i
for f in 1 2 3; do case $f in 1) echo one ;; [2-3]) echo "two or three" ;; esac; done
case "a.txt" in *.c) echo C ;; *.txt | *.md) echo text ;; *) echo other ;; esac
false || echo or; true && echo and; ! false && echo not
(exit 7); echo $?
{ echo group; echo of two; } | sed 's/^/  /'
while getopts ab:c opt -a -b value -c; do echo "$opt ${OPTARG:-}"; done
eval 'for x in e v a l; do printf %s $x; done'; echo

say files and redirection
echo first >f; echo second >>f; cat f; cat <f | wc -l
cat <<END
here $a $((1 + 1)) $(echo sub)
END
cat <<'END'
here $a, as it is
END
	cat <<-END
	without the tab
	END
ls nowhere 2>/dev/null || echo missing
{ echo out; echo err >&2; } 2>&1 >/dev/null | tr a-z A-Z
exec 3>third; echo to three >&3; exec 3>&-; cat third
exec 4<f; read l1 <&4; read l2 <&4; read l3 <&4 || echo end of file; exec 4<&-; echo "$l1 $l2 $l3"
set -C; (echo no >f) 2>/dev/null || echo not overwritten; set +C
echo both >g 2>&1; cat g
printf 'a b\nc d\n' | while read x y; do echo "$y $x"; done
printf '%s,%05d,%x,%-4s|\n' str 42 255 pad
wc -c </dev/null; head -c 5 /dev/zero | od -An -tx1

say globs
mkdir -p d/e; touch d/1.c d/2.c d/10.h d/e/x d/.hidden
echo d/*.c; echo d/?.c; echo d/[!0-9]*; echo d/*; echo d/no*; echo d/.h*
cd d; pwd | sed 's|.*/||'; cd - >/dev/null; (cd d/e && echo *)

say pipes and jobs
seq 1 100 | grep 7 | sort -rn | head -3 | tr '\n' ' '; echo
seq 5 | awk '{ s += $1 } END { print s }'
mkfifo go pipe; { read x <go; echo late; } & echo early; echo >go; wait
sleep 9 & p=$!; kill $p; wait $p 2>&-; echo "killed: $?"
(exit 3) & wait $!; echo "waited: $?"
(echo through the fifo >pipe) & cat <pipe; wait
yes | head -2
seq 1 20000 | tail -1
true | false | true; echo $?
set -o pipefail; true | false | true; echo $?; set +o pipefail

say traps
trap 'echo got USR1' USR1; kill -USR1 $$; echo after
trap '' TERM; kill -TERM $$; echo "TERM ignored"; trap - TERM
(trap 'echo bye' EXIT; echo in subshell)
sh -c 'trap "echo INT; exit 5" INT; kill -INT $$; echo never'; echo $?
sh -c 'kill -KILL $$'; echo $?
sh -c 'sleep 9 & p=$!; trap "kill $p; echo cut short; exit 9" TERM
	(sleep 0.2; kill -TERM $$) & wait $p'
echo $?
sh -e -c 'echo before; false; echo never'; echo $?
sh -u -c 'echo $undefined' 2>/dev/null || echo "unset is an error"

say tools
printf 'pear 3\napple 10\nfig 2\n' >fruit
sort fruit; sort -k2n fruit; sort -k2nr fruit | cut -d' ' -f1 | paste -s -d, -
sed -n 's/\(.*\) \(.*\)/\2 \1/p' fruit | sort -n
awk '{ n[$1] = $2 } END { for (k in n) if (n[k] > 2) print k }' fruit | sort
tr a-z A-Z <fruit | uniq -c | sed 's/^ *//'
echo "a,b;c" | tr ',;' '\n\n' | xargs -n1 echo item
basename /a/b/c.txt .txt; dirname /a/b/c.txt; expr 3 + 4; expr abc : 'a\(.*\)'
printf abc | md5sum; printf abc | sha1sum; printf 'hello\n' | gzip -c | gunzip -c
ln -s fruit link; readlink link; ln fruit hard; [ fruit -ef hard ] && echo same file
chmod 640 fruit; stat -c '%a %s %h %F' fruit; umask 027; touch new; stat -c %a new
cp -r d copy; diff -r d copy && echo alike; rm -r d copy; echo *
dd if=/dev/zero bs=1k count=3 2>/dev/null | wc -c
cmp fruit hard && echo equal; test -x fruit || echo not executable
echo '3 4 + p' | dc; echo '2^64' | bc
env -i X=1 sh -c 'echo $X ${HOME:-no home}'
printf '#!/bin/sh\necho script "$@"\n' >s; chmod +x s; ./s 1 2

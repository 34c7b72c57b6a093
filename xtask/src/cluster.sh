# Owns one throw-away PostgreSQL cluster, from initdb to the removal of its folder.
#
# Its standard input is a pipe of which the task holds the only other end. When the task lets go of
# it, or dies in whatever way, `read` returns and the cluster goes. It says one word on its standard
# output: `ready`, `taken` (the port is somebody else's) or `failed`.
#
# usage: cluster.sh keep|remove <folder of the server's programs> <folder of the cluster> <port>
action=$1 programs=$2 folder=$3 port=$4
umask 077
# A signal ends the wait below instead of ending this shell before it has cleaned up. PIPE comes when
# the task died before it could hear the word.
trap : HUP INT PIPE TERM

start() {
    "$programs/initdb" -D "$folder/data" -E UTF8 --locale=C --auth=trust -U postgres -N \
        >/dev/null 2>"$folder/log" &&
        cat "$folder/settings" >>"$folder/data/postgresql.conf" &&
        "$programs/pg_ctl" -D "$folder/data" -l "$folder/log" -w -t 60 -s start 2>>"$folder/log" &&
        "$programs/psql" -X -q -v ON_ERROR_STOP=1 -h "$folder" -p "$port" -U postgres -d postgres \
            -c "CREATE ROLE tidings LOGIN CREATEDB NOSUPERUSER PASSWORD 'tidings'" \
            >>"$folder/log" 2>&1
}

keep() {
    if start; then
        echo ready
    elif grep -q 'could not bind' "$folder/log"; then
        echo taken
    else
        tail -n 20 "$folder/log" >&2
        echo failed
    fi
    read -r _
}

if [ "$action" = keep ]; then
    keep
fi
if [ -e "$folder/data/postmaster.pid" ]; then
    "$programs/pg_ctl" -D "$folder/data" -m immediate -w -t 20 -s stop
fi
cd / && rm -rf "$folder"

# shellcheck shell=sh
# What the lab's tests share: a real Debian, booted, and another "host" beside it. Sourced by tests/lab/run, which has
# put itself into namespaces of its own: its network namespace is the other host (192.0.2.1), the lab is 192.0.2.2, and
# whatever it mounts or starts ends with it.
#
#   lab_boot systemd|sysv    a fresh copy of the tree (an overlay), booted; waits until it is up
#   lab COMMAND...           runs in the lab, as root in /porthole
#   lab_as USER COMMAND...   likewise as that user
#   lab_down                 ends it

LAB_ADDRESS=192.0.2.2
PEER_ADDRESS=192.0.2.1

lab_group() { # the control groups that the lab lives in, one a hierarchy that systemd can use
	for root in /sys/fs/cgroup/unified /sys/fs/cgroup/systemd /sys/fs/cgroup; do
		if [ -w "$root/cgroup.procs" ]; then
			printf '%s\n' "$root/porthole-lab-$LAB_ID"
		fi
	done
}

lab_remove_groups() {
	for group in $(lab_group); do
		if [ -d "$group" ]; then
			find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || :
		fi
	done
}

lab_files() { # what the tests need beside the distribution's own
	cp -a "$LAB_HERE/files/both/." "$LAB_ROOT/"
	chroot "$LAB_ROOT" useradd -m -u 1000 -s /bin/sh ann 2>/dev/null || :
	mkdir -p "$LAB_ROOT/porthole" "$LAB_ROOT/root/.ssh"
	chroot "$LAB_ROOT" ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519 </dev/null
	cp "$LAB_ROOT/root/.ssh/id_ed25519.pub" "$LAB_ROOT/root/.ssh/authorized_keys"
	printf 'StrictHostKeyChecking no\nLogLevel ERROR\n' >"$LAB_ROOT/root/.ssh/config"
	chmod 700 "$LAB_ROOT/root/.ssh"
	printf 'lab\n' >"$LAB_ROOT/etc/hostname"
	printf '127.0.0.1 localhost\n::1 localhost\n%s lab\n' "$LAB_ADDRESS" >"$LAB_ROOT/etc/hosts"
	chroot "$LAB_ROOT" update-rc.d board defaults >/dev/null 2>&1
}

lab_files_systemd() {
	cp -a "$LAB_HERE/files/systemd/." "$LAB_ROOT/"
	chown -R 1000:1000 "$LAB_ROOT/home/ann"
	mkdir -p "$LAB_ROOT/var/lib/systemd/linger"
	: >"$LAB_ROOT/var/lib/systemd/linger/ann"
	wants=$LAB_ROOT/etc/systemd/system/multi-user.target.wants
	for unit in always stubborn nostop away left upholder slow back front; do
		ln -sf "/etc/systemd/system/$unit.service" "$wants/"
	done
	ln -sf /etc/systemd/system/tmpl@.service "$wants/tmpl@7105.service"
	ln -sf /etc/systemd/system/bypath.path "$wants/"
	mkdir -p "$LAB_ROOT/etc/systemd/system/sockets.target.wants"
	ln -sf /etc/systemd/system/echo.socket "$LAB_ROOT/etc/systemd/system/sockets.target.wants/"
	ln -sf /etc/systemd/system/acc.socket "$LAB_ROOT/etc/systemd/system/sockets.target.wants/"
	mkdir -p "$LAB_ROOT/home/ann/.config/systemd/user/default.target.wants"
	ln -sf ../mine.service "$LAB_ROOT/home/ann/.config/systemd/user/default.target.wants/"
	# As a Debian has it that installed the server: no socket units, the local address only.
	rm -f "$LAB_ROOT"/etc/systemd/system/sockets.target.wants/mariadb*
}

lab_files_sysv() {
	printf '%s\n' 'id:2:initdefault:' 'si::sysinit:/bin/mkdir -p -m 1777 /run/lock' 'l2:2:wait:/etc/init.d/rc 2' 'l0:0:wait:/etc/init.d/rc 0' \
		>"$LAB_ROOT/etc/inittab"
}

# As one function, since a lab that does not come up is of no use to anybody.
lab_boot() {
	LAB_KIND=$1
	LAB_ID=$$-$(date +%N)
	LAB_DIR=$(mktemp -d "${TMPDIR:-/tmp}/porthole-lab.XXXXXX")
	LAB_ROOT=$LAB_DIR/root
	mount -t tmpfs -o mode=755 lab "$LAB_DIR"
	mkdir "$LAB_DIR/upper" "$LAB_DIR/work" "$LAB_ROOT"
	mount -t overlay lab -o "lowerdir=$LAB_CACHE/$LAB_KIND,upperdir=$LAB_DIR/upper,workdir=$LAB_DIR/work" "$LAB_ROOT"
	lab_files
	"lab_files_$LAB_KIND"
	# shellcheck disable=SC2016 # the inner shell expands its own variables
	setsid sh -c '
		groups=$1 root=$2 top=$3
		for group in $groups; do mkdir -p "$group" && echo $$ >"$group/cgroup.procs"; done
		exec systemd-nspawn -q -b -D "$root" --register=no --keep-unit --link-journal=no --console=pipe \
			--network-veth --bind-ro="$top:/porthole" --machine=lab
	' lab "$(lab_group)" "$LAB_ROOT" "$LAB_TOP" </dev/null >"$LAB_DIR/console" 2>&1 &
	LAB_NSPAWN=$!
	lab_wait_leader
	lab_wait_up
	lab_network
}

lab_wait_leader() {
	LAB_LEADER=
	for _ in $(seq 200); do
		# Numbers have no spaces.
		# shellcheck disable=SC2013
		for child in $(cat "/proc/$LAB_NSPAWN/task/$LAB_NSPAWN/children" 2>/dev/null); do
			case $(cat "/proc/$child/comm" 2>/dev/null) in systemd | init) LAB_LEADER=$child ;; esac
		done
		[ -z "$LAB_LEADER" ] || return 0
		kill -0 "$LAB_NSPAWN" 2>/dev/null || break
		sleep 0.1
	done
	cat "$LAB_DIR/console" >&2
	echo "lab: $LAB_KIND did not start" >&2
	exit 1
}

lab_is_up() {
	case $LAB_KIND in
	systemd) case $(lab systemctl is-system-running 2>/dev/null) in running | degraded) return 0 ;; esac ;;
	sysv) lab sh -c "test -e /run/board.pid && ! pgrep -x rc >/dev/null" && return 0 ;;
	esac
	return 1
}

lab_wait_up() {
	for _ in $(seq 60); do
		if lab_is_up; then
			return 0
		fi
		sleep 0.2
	done
	cat "$LAB_DIR/console" >&2
	lab ps -ef >&2 || :
	echo "lab: $LAB_KIND did not come up" >&2
	exit 1
}

lab_network() {
	ip link set lo up
	ip address replace "$PEER_ADDRESS/24" dev ve-lab
	ip link set ve-lab up
	lab ip address replace "$LAB_ADDRESS/24" dev host0
	lab ip link set host0 up
}

lab() {
	nsenter -t "$LAB_LEADER" -m -u -i -n -p -C --wdns=/porthole -- env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root \
		LANG=C.UTF-8 TERM=dumb "$@"
}

lab_as() {
	lab_user=$1
	shift
	lab runuser -u "$lab_user" -- "$@"
}

lab_down() {
	kill -9 "$LAB_LEADER" 2>/dev/null || :
	wait "$LAB_NSPAWN" 2>/dev/null || :
	umount -l "$LAB_ROOT" 2>/dev/null || :
	umount -l "$LAB_DIR" 2>/dev/null || :
	rmdir "$LAB_DIR" 2>/dev/null || :
	lab_remove_groups
}

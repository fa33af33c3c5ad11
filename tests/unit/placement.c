/* Placement: what control-group paths say. The paths are those that the programs really make. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "porthole/owners.h"
#include "support.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct example {
	const char *cgroup, *own;
	const char *unit, *user_unit, *container;
};

static void same(const char *is, const char *expected)
{
	if (expected == NULL)
		assert_null(is);
	else
		assert_string_equal(is, expected);
}

static void check(const struct example *examples, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct example *e = &examples[i];
		struct ph_placement placement;

		assert_int_equal(ph_placement_parse(e->cgroup, e->own, &placement), 0);
		same(placement.unit, e->unit);
		same(placement.user_unit, e->user_unit);
		same(placement.container, e->container);
		ph_placement_free(&placement);
		assert_null(placement.unit);
	}
}

#define CHECK(examples) check(examples, sizeof(examples) / sizeof(*(examples)))

static void a_service_or_scope_is_the_unit(void **state)
{
	static const struct example examples[] = {
		{ .cgroup = "0::/system.slice/apache2.service\n", .unit = "apache2.service" },
		{ .cgroup = "0::/system.slice/system-tmpl.slice/tmpl@7105.service\n",
		  .unit = "tmpl@7105.service" },
		{ .cgroup = "0::/system.slice/delegate.service/inner.service/x\n",
		  .unit = "delegate.service" },
		{ .cgroup = "0::/system.slice/run-r1.scope\n", .unit = "run-r1.scope" },
		{ .cgroup = "0::/system.slice/acc@0-127.0.0.1:7110-127.0.0.1:42396.service\n",
		  .unit = "acc@0-127.0.0.1:7110-127.0.0.1:42396.service" },
		/* Never decoded. */
		{ .cgroup = "0::/system.slice/a\\x2db.service\n", .unit = "a\\x2db.service" },
		/* Escaped by systemd against the files of the cgroup file system. */
		{ .cgroup = "0::/system.slice/_cpu.service\n", .unit = "cpu.service" },
		/* No newline at the end. */
		{ .cgroup = "0::/system.slice/cron.service", .unit = "cron.service" },
	};

	(void)state;
	CHECK(examples);
}

static void either_hierarchy_may_be_the_one_that_says(void **state)
{
	static const struct example examples[] = {
		{ .cgroup = "5:devices:/system.slice/ssh.service\n"
		            "1:name=systemd:/system.slice/ssh.service\n0::/\n",
		  .unit = "ssh.service" },
		{ .cgroup = "1:name=systemd:/\n0::/system.slice/ssh.service\n",
		  .unit = "ssh.service" },
		/* Other hierarchies do not count for units. */
		{ .cgroup = "5:devices:/system.slice/ssh.service\n0::/\n" },
	};

	(void)state;
	CHECK(examples);
}

static void the_users_unit_is_behind_the_users_manager(void **state)
{
	static const struct example examples[] = {
		{ .cgroup = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/"
		            "mine.service\n",
		  .unit = "user@1000.service",
		  .user_unit = "mine.service" },
		{ .cgroup = "0::/user.slice/user-1000.slice/user@1000.service/init.scope\n",
		  .unit = "user@1000.service" },
		{ .cgroup = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/"
		            "app-gnome\\x2dterm.slice/vte-spawn-1.scope\n",
		  .unit = "user@1000.service",
		  .user_unit = "vte-spawn-1.scope" },
	};

	(void)state;
	CHECK(examples);
}

static void sessions_and_the_manager_are_no_units(void **state)
{
	static const struct example examples[] = {
		{ .cgroup = "0::/user.slice/user-0.slice/session-3.scope\n" },
		{ .cgroup = "0::/user.slice/user-0.slice/session-c1.scope/x.service\n" },
		{ .cgroup = "0::/init.scope\n" },
		{ .cgroup = "0::/\n" },
		{ .cgroup = "" },
	};

	(void)state;
	CHECK(examples);
}

static void the_path_of_the_first_process_is_stripped(void **state)
{
	static const struct example examples[] = {
		{ .cgroup = "0::/payload/system.slice/apache2.service\n",
		  .own = "0::/payload/init.scope\n",
		  .unit = "apache2.service" },
		{ .cgroup = "1:name=systemd:/docker/" ID "/system.slice/a.service\n0::/\n",
		  .own = "1:name=systemd:/docker/" ID "/init.scope\n0::/\n",
		  .unit = "a.service" },
		/* Inside a container its own name is not of interest. */
		{ .cgroup = "0::/docker/" ID "\n", .own = "0::/docker/" ID "\n" },
		/* Only whole components. */
		{ .cgroup = "0::/system.slice/ab.service\n",
		  .own = "0::/system.slice/a\n",
		  .unit = "ab.service" },
		{ .cgroup = "0::/system.slice/a.service\n",
		  .own = "0::/init.scope\n",
		  .unit = "a.service" },
		{ .cgroup = "0::/system.slice/a.service\n", .own = "0::/\n", .unit = "a.service" },
		{ .cgroup = "0::/../system.slice/a.service\n" },
	};

	(void)state;
	CHECK(examples);
}

static void containers_are_told_by_their_engines_paths(void **state)
{
	static const struct example examples[] = {
		{ .cgroup = "0::/docker/" ID "\n", .container = "docker:" ID },
		{ .cgroup = "0::/system.slice/docker-" ID ".scope\n", .container = "docker:" ID },
		{ .cgroup = "4:memory:/docker/" ID "\n", .container = "docker:" ID },
		{ .cgroup = "0::/machine.slice/libpod-" ID ".scope/container\n",
		  .container = "podman:" ID },
		{ .cgroup = "0::/user.slice/user-1000.slice/user@1000.service/user.slice/"
		            "libpod-" ID ".scope\n",
		  .container = "podman:" ID },
		{ .cgroup = "0::/kubepods.slice/kubepods-burstable.slice/"
		            "kubepods-burstable-podab.slice/cri-containerd-" ID ".scope\n",
		  .container = "k8s:" ID },
		{ .cgroup = "0::/kubepods.slice/kubepods-podab.slice/crio-" ID ".scope\n",
		  .container = "k8s:" ID },
		{ .cgroup = "0::/kubepods/besteffort/podab/" ID "\n", .container = "k8s:" ID },
		{ .cgroup = "0::/system.slice/containerd.service/"
		            "kubepods-besteffort-podab.slice:cri-containerd:" ID "\n",
		  .container = "k8s:" ID },
		{ .cgroup = "0::/lxc.payload.web/system.slice/a.service\n",
		  .container = "lxc:web" },
		{ .cgroup = "4:memory:/lxc/web\n0::/\n", .container = "lxc:web" },
		{ .cgroup = "0::/machine.slice/machine-my\\x2dbox.scope/payload/system.slice/"
		            "a.service\n",
		  .container = "nspawn:my-box" },
		{ .cgroup = "0::/machine.slice/systemd-nspawn@web.service/payload/x.service\n",
		  .container = "nspawn:web" },
	};

	(void)state;
	CHECK(examples);
}

static void what_only_looks_like_a_container_is_none(void **state)
{
	static const struct example examples[] = {
		/* Too short, capitals, too long. */
		{ .cgroup = "0::/system.slice/docker-0123.scope\n", .unit = "docker-0123.scope" },
		{ .cgroup = "0::/system.slice/docker-" ID "0.scope\n",
		  .unit = "docker-" ID "0.scope" },
		{ .cgroup = "0::/docker/ABCDEFabcdef0123ABCDEFabcdef0123ABCDEFabcdef0123"
		            "ABCDEFabcdef0123\n" },
		{ .cgroup = "0::/docker/buildx\n" },
		{ .cgroup = "0::/elsewhere/" ID "\n" },
		/* The host's halves. */
		{ .cgroup = "0::/machine.slice/libpod-conmon-" ID ".scope\n",
		  .unit = "libpod-conmon-" ID ".scope" },
		{ .cgroup = "0::/lxc.monitor.web\n" },
		{ .cgroup = "0::/machine.slice/machine-web.scope/supervisor\n",
		  .unit = "machine-web.scope" },
		/* A virtual machine of libvirt. */
		{ .cgroup = "0::/machine.slice/machine-qemu\\x2d1\\x2dvm.scope/libvirt/emulator\n",
		  .unit = "machine-qemu\\x2d1\\x2dvm.scope" },
		{ .cgroup = "0::/machine.slice/machine-.scope/payload\n",
		  .unit = "machine-.scope" },
	};

	(void)state;
	CHECK(examples);
}

static void broken_lines_are_passed_over(void **state)
{
	static const struct example examples[] = {
		{ .cgroup = "\n\n:::\n0:\n0::\n0::relative/a.service\nx" },
		{ .cgroup = "nonsense\n0::/system.slice/a.service\n", .unit = "a.service" },
		{ .cgroup = "0::////system.slice//a.service//\n",
		  .own = "0::\n::\n",
		  .unit = "a.service" },
		{ .cgroup = "0::/.service/.scope/_\n" },
		{ .cgroup = "0::/system.slice/\x1b[2J\xff.service\n",
		  .unit = "\x1b[2J\xff.service" },
	};

	(void)state;
	CHECK(examples);
}

static int parse_all(void *data)
{
	static const char *const cgroups[] = {
		"0::/user.slice/user-1000.slice/user@1000.service/app.slice/mine.service\n",
		"0::/docker/" ID "\n",
		"0::/machine.slice/machine-a.scope/payload\n",
	};

	(void)data;
	for (size_t i = 0; i < sizeof(cgroups) / sizeof(*cgroups); i++) {
		struct ph_placement placement;
		int r = ph_placement_parse(cgroups[i], "0::/\n", &placement);

		ph_placement_free(&placement);
		if (r < 0)
			return r;
	}
	return 0;
}

static void a_failed_allocation_is_an_error(void **state)
{
	(void)state;
	fail_each_allocation(parse_all, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_service_or_scope_is_the_unit),
		cmocka_unit_test(either_hierarchy_may_be_the_one_that_says),
		cmocka_unit_test(the_users_unit_is_behind_the_users_manager),
		cmocka_unit_test(sessions_and_the_manager_are_no_units),
		cmocka_unit_test(the_path_of_the_first_process_is_stripped),
		cmocka_unit_test(containers_are_told_by_their_engines_paths),
		cmocka_unit_test(what_only_looks_like_a_container_is_none),
		cmocka_unit_test(broken_lines_are_passed_over),
		cmocka_unit_test(a_failed_allocation_is_an_error),
	};

	return cmocka_run_group_tests_name("placement", tests, NULL, NULL);
}

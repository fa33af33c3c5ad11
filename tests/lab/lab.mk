# The lab: a booted Debian with systemd, one without, and another host beside it. Included by the Makefile.
deps-lab: deps-test
	@tools/deps lab

# TESTS="exercise sysv": only these.
check-lab: deps-lab
	@$(MAKE) --no-print-directory all
	@PORTHOLE_LAB_CACHE=$(abspath build/lab) tests/lab/run $(TESTS)

# A shell inside, for trying things out and for teaching. LAB=sysv: the one without systemd.
lab: deps-lab
	@$(MAKE) --no-print-directory all
	@PORTHOLE_LAB_CACHE=$(abspath build/lab) tests/lab/run --shell $(or $(LAB),systemd)

.PHONY: deps-lab check-lab lab

# porthole: `make` builds ./porthole, which runs from the tree. `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
VERSION := 0.1.0

PKG_CONFIG ?= pkg-config
INSTALL    ?= install

# Flags of ours and of the caller's. SANITIZE=address,undefined instruments everything; WERROR=1 as lint and CI have it.
CFLAGS   ?= -O2 -g
WARNINGS := -std=c11 -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla $(if $(WERROR),-Werror)
DEFINES  := -D_GNU_SOURCE -DPH_VERSION='"$(VERSION)"'
HARDEN   := -fPIC -fstack-protector-strong
SANITIZERS := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)

# pkg-config is asked once a run, and only for the libraries that a part links (make goals without a build never ask).
pkg = $(shell $(PKG_CONFIG) $(1) $(2) 2>/dev/null)
LUA_CFLAGS  = $(eval LUA_CFLAGS := $(call pkg,--cflags,lua5.4))$(LUA_CFLAGS)
LUA_LIBS    = $(eval LUA_LIBS := $(call pkg,--libs,lua5.4))$(LUA_LIBS)
ENGINE_LIBS = $(eval ENGINE_LIBS := $(call pkg,--libs,libmnl) -pthread)$(ENGINE_LIBS)
BINDING_LIBS = $(eval BINDING_LIBS := $(call pkg,--libs,jansson))$(BINDING_LIBS)
SHELL_LIBS  = $(eval SHELL_LIBS := $(call pkg,--libs,readline))$(SHELL_LIBS)
CMOCKA_LIBS = $(eval CMOCKA_LIBS := $(call pkg,--libs,cmocka))$(CMOCKA_LIBS)

COMPILE_FLAGS = $(WARNINGS) $(DEFINES) $(HARDEN) $(SANITIZERS) -Iinclude -Isrc -Itests/support -Itests/bound/support -I$(BUILD)/generated $(CPPFLAGS) $(CFLAGS)
LINK_FLAGS    = $(SANITIZERS) -Wl,--as-needed $(LDFLAGS)

# V=1 prints the commands.
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

engine_sources  := $(wildcard src/engine/*.c)
binding_sources := $(wildcard src/binding/*.c)
shell_sources   := $(wildcard src/shell/*.c)
support_sources := $(wildcard tests/support/*.c)
unit_sources    := $(wildcard tests/unit/*.c)
bound_sources   := $(wildcard tests/bound/*.c)
state_sources   := $(wildcard tests/bound/support/*.c)
pty_sources     := $(wildcard tests/pty/*.c)
pty_support     := $(wildcard tests/pty/support/*.c)
tool_sources    := $(wildcard tests/netns/*.c tests/bench/*.c)
objects = $(patsubst %.c,$(BUILD)/%.o,$(1))
programs = $(patsubst %.c,$(BUILD)/%,$(1))

# The program stands in the tree for the ordinary build, beside its objects for any other; its Lua is found from where it stands.
PROGRAM := $(if $(filter build,$(BUILD)),porthole,$(BUILD)/porthole)
CORE    := $(BUILD)/lib/porthole/core.so

all: $(PROGRAM) $(CORE)

$(BUILD)/lib/libporthole.a: $(call objects,$(engine_sources))
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcs $@ $^

$(CORE): $(call objects,$(binding_sources)) $(BUILD)/lib/libporthole.a
	$(call say,LD,$@)
	$(Q)mkdir -p $(@D) && $(CC) -shared $(LINK_FLAGS) -o $@ $^ $(ENGINE_LIBS) $(BINDING_LIBS)

$(PROGRAM): $(call objects,$(shell_sources) $(binding_sources)) $(BUILD)/lib/libporthole.a | $(if $(filter-out porthole,$(PROGRAM)),$(BUILD)/lua)
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_FLAGS) -o $@ $^ $(ENGINE_LIBS) $(BINDING_LIBS) $(LUA_LIBS) $(SHELL_LIBS)

$(BUILD)/lua:
	$(Q)mkdir -p $(@D) && ln -sfn $(CURDIR)/lua $@

# The embedded IANA registry is generated from the registry itself.
$(BUILD)/generated/iana.inc: src/engine/iana.csv tools/iana.awk
	$(call say,GEN,$@)
	$(Q)mkdir -p $(@D) && LC_ALL=C awk -f tools/iana.awk src/engine/iana.csv > $@.new && mv $@.new $@

$(BUILD)/src/engine/services.o: $(BUILD)/generated/iana.inc

# Everything is compiled again when the flags change.
$(BUILD)/flags: FORCE
	$(Q)mkdir -p $(@D); printf '%s\n' '$(CC) $(subst ','\'',$(COMPILE_FLAGS) $(LINK_FLAGS))' | cmp -s - $@ || \
		printf '%s\n' '$(CC) $(subst ','\'',$(COMPILE_FLAGS) $(LINK_FLAGS))' > $@

$(BUILD)/src/binding/%.o $(BUILD)/src/shell/%.o $(BUILD)/tests/bound/%.o: PART_CFLAGS = $(LUA_CFLAGS)

$(BUILD)/%.o: %.c $(BUILD)/flags
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(COMPILE_FLAGS) $(PART_CFLAGS) -MMD -MP -c -o $@ $<

-include $(patsubst %.o,%.d,$(call objects,$(engine_sources) $(binding_sources) $(shell_sources) $(support_sources) \
	$(unit_sources) $(bound_sources) $(state_sources) $(pty_sources) $(pty_support) $(tool_sources)))

# Tests. An engine unit links the engine alone, with allocations that can be made to fail; a bound one the bindings and Lua too.
WRAP := -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=reallocarray,--wrap=strdup \
	-Wl,--wrap=strndup,--wrap=vasprintf,--wrap=asprintf
support_objects = $(call objects,$(support_sources))

$(call programs,$(unit_sources)): $(BUILD)/%: $(BUILD)/%.o $(support_objects) $(BUILD)/lib/libporthole.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_FLAGS) $(WRAP) -o $@ $^ $(ENGINE_LIBS) $(CMOCKA_LIBS)

$(call programs,$(bound_sources)): $(BUILD)/%: $(BUILD)/%.o $(support_objects) $(call objects,$(state_sources) $(binding_sources)) $(BUILD)/lib/libporthole.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_FLAGS) $(WRAP) -o $@ $^ $(ENGINE_LIBS) $(BINDING_LIBS) $(LUA_LIBS) $(CMOCKA_LIBS)

$(call programs,$(pty_sources)): $(BUILD)/%: $(BUILD)/%.o $(call objects,$(pty_support))
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_FLAGS) -o $@ $^ -lutil $(CMOCKA_LIBS)

$(call programs,$(tool_sources)): $(BUILD)/%: $(BUILD)/%.o $(BUILD)/lib/libporthole.a
	$(call say,LD,$@)
	$(Q)$(CC) $(LINK_FLAGS) -o $@ $^ $(ENGINE_LIBS)

test_programs := $(call programs,$(unit_sources) $(bound_sources) $(pty_sources) $(tool_sources))

test-programs: all $(test_programs)

# What a user calls.
deps:
	@tools/deps run build

deps-test: deps
	@tools/deps test

deps-lint: deps-test
	@tools/deps lint

# Missing packages first, then the build in a make of its own, since pkg-config may have come only now.
run: deps
	@$(MAKE) --no-print-directory all
	@./porthole audit

check: deps-test
	@$(MAKE) --no-print-directory test-programs
	@BUILD=$(BUILD) PROGRAM=$(PROGRAM) tests/run $(SUITES)

check-asan: deps-test
	@$(MAKE) --no-print-directory BUILD=build/asan SANITIZE=address,undefined CFLAGS='-O1 -g' test-programs
	@BUILD=build/asan PROGRAM=build/asan/porthole SANITIZE=1 tests/run $(SUITES)

check-valgrind: deps-test
	@$(MAKE) --no-print-directory test-programs
	@BUILD=$(BUILD) PROGRAM=$(PROGRAM) VALGRIND=1 tests/run unit

lint: deps-lint
	@$(MAKE) --no-print-directory BUILD=build/lint WERROR=1 test-programs
	@BUILD=build/lint FLAGS='-D_GNU_SOURCE -Iinclude -Isrc -Itests/support -Ibuild/lint/generated' tools/lint

format:
	@git ls-files '*.c' '*.h' | xargs clang-format -i

bench: deps-test
	@$(MAKE) --no-print-directory test-programs
	@BUILD=$(BUILD) PROGRAM=$(PROGRAM) tests/bench/run

# Each parser's fuzz target for FUZZ_SECONDS, with clang's libFuzzer; a finding stays in the build directory.
FUZZ_SECONDS ?= 30
fuzz_sources := $(wildcard tests/fuzz/*.c)
fuzz_programs = $(patsubst tests/fuzz/%.c,build/fuzz/%,$(fuzz_sources))

build/fuzz/%: tests/fuzz/%.c $(engine_sources) $(BUILD)/generated/iana.inc
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D) && clang -g -O1 -fsanitize=fuzzer,address,undefined $(DEFINES) -Iinclude -Isrc -Itests/support \
		-I$(BUILD)/generated -o $@ $< $(engine_sources) $(ENGINE_LIBS)

fuzz: deps-fuzz
	@$(MAKE) --no-print-directory $(fuzz_programs)
	@for program in $(fuzz_programs); do mkdir -p $$program.corpus; \
		$$program -max_total_time=$(FUZZ_SECONDS) -verbosity=0 -artifact_prefix=$$program. $$program.corpus || exit 1; done

deps-fuzz: deps
	@tools/deps fuzz

check-minbase:
	@tools/deps lab
	@tests/minbase/run

# The API reference comes from the same texts as help(), the manual page is written by hand and checked.
docs: all
	@mkdir -p $(BUILD)/docs
	@./porthole help --markdown > $(BUILD)/docs/reference.md
	@cmp -s $(BUILD)/docs/reference.md docs/reference.md || cp $(BUILD)/docs/reference.md docs/reference.md
	@if command -v mandoc >/dev/null; then mandoc -T lint -W warning $(wildcard man/*.1 man/*.3); fi

# Everything the program reads lies in one directory; a stock Lua finds the module through the link.
lua_files = $(wildcard lua/porthole/*.lua lua/porthole/*/*.lua lua/recipes/*.lua lua/probes/*.lua)
share  := $(DESTDIR)$(PREFIX)/share
luadir := $(share)/lua/5.4
libdir := $(DESTDIR)$(PREFIX)/lib/lua/5.4/porthole

install: all
	$(INSTALL) -D -m 755 porthole $(DESTDIR)$(PREFIX)/bin/porthole
	$(INSTALL) -D -m 644 $(CORE) $(libdir)/core.so
	for file in $(lua_files:lua/%=%); do $(INSTALL) -D -m 644 lua/$$file $(share)/porthole/lua/$$file || exit 1; done
	$(INSTALL) -d $(luadir)
	ln -sfn ../../porthole/lua/porthole $(luadir)/porthole
	for page in $(wildcard man/*.1 man/*.3); do $(INSTALL) -D -m 644 $$page $(share)/man/man$${page##*.}/$${page##*/} || exit 1; done
	for file in README.md README.ja.md CHANGELOG.md $(wildcard docs/*.md) $(wildcard examples/*.lua); do \
		$(INSTALL) -D -m 644 $$file $(share)/doc/porthole/$$file || exit 1; done

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/porthole $(libdir)/core.so $(luadir)/porthole
	rm -f $(patsubst man/%,$(share)/man/man1/%,$(wildcard man/*.1)) $(patsubst man/%,$(share)/man/man3/%,$(wildcard man/*.3))
	rm -rf $(share)/porthole $(share)/doc/porthole
	-rmdir $(libdir) 2>/dev/null

clean:
	rm -rf build porthole

help:
	@printf '%s\n' 'make              builds ./porthole and the module for stock Lua' \
		'make run          installs what is missing, builds, runs porthole audit' \
		'make check        likewise, then all tests (SUITES="unit spec" for some)' \
		'make check-asan   all tests under AddressSanitizer and UndefinedBehaviorSanitizer' \
		'make check-valgrind  the unit tests under valgrind' \
		'make check-lab    acts on services, in a booted Debian of its own (root); make lab leaves a shell there' \
		'make lint         compiler, clang-tidy, cppcheck, luacheck, shellcheck, layers, format' \
		'make fuzz         each parser for FUZZ_SECONDS under libFuzzer' \
		'make check-minbase   the README'\''s commands in an empty Debian tree (root)' \
		'make bench        speed against ss, netstat and lsof, in ratios' \
		'make format       formats the C sources' \
		'make docs         writes docs/reference.md, checks the manual' \
		'make install      under PREFIX ($(PREFIX)), with DESTDIR; make uninstall removes it' \
		'make deps         installs the packages for running and building (packages.txt)' \
		'make clean        removes what was built' \
		'Variables: V=1 BUILD=dir CC= CFLAGS= SANITIZE=address,undefined WERROR=1'

include tests/lab/lab.mk

FORCE:
.PHONY: all test-programs deps deps-test deps-lint run check check-asan check-valgrind lint format bench fuzz deps-fuzz check-minbase docs install \
	uninstall clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:

/*
 * Ctrl-C: the handler, the hook that it sets, and the flag for the prompt. The handler calls
 * lua_sethook, which lua(1) does too: it is made for that. What cannot be stopped is a loop in
 * __gc or in a message handler (Lua runs no hooks there) and a pattern match that backtracks.
 */
#include "interrupt.h"

#include <lauxlib.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

/* A signal handler has no argument of its own to carry a context: this is the one global. */
static struct {
	struct ph_context *context;
	lua_State *main;
	lua_State *volatile running;
	volatile sig_atomic_t presses; /* since the prompt */
	volatile sig_atomic_t pending; /* the hook has to raise */
	volatile sig_atomic_t raised; /* it did */
	volatile sig_atomic_t at_prompt;
	volatile sig_atomic_t pressed_at_prompt;
	bool interactive;
	const char *library; /* folder of our own Lua; NULL: not found */
} self;

#define MASK_ALL (LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT)

/* Raises at the line that runs of the user's own code, not of the library's. */
static void raise_interrupted(lua_State *L)
{
	size_t length = self.library != NULL ? strlen(self.library) : 0;
	lua_Debug at;

	for (int level = 0; lua_getstack(L, level, &at); level++) {
		lua_getinfo(L, "Sl", &at);
		if (at.currentline <= 0 || (length > 0 && at.source[0] == '@' &&
		                            strncmp(at.source + 1, self.library, length) == 0))
			continue;
		lua_pushfstring(L, "%s:%d: interrupted", at.short_src, at.currentline);
		lua_error(L);
	}
	lua_pushliteral(L, "interrupted");
	lua_error(L);
}

static void hook(lua_State *L, lua_Debug *record)
{
	(void)record;
	if (!self.pending) {
		/* Left over, or copied to a coroutine when it was made. */
		lua_sethook(L, NULL, 0, 0);
		return;
	}
	if (self.presses < 2) {
		lua_sethook(L, NULL, 0, 0);
		self.pending = 0;
		/* What cleans up may wait again; unless a second press came just now. */
		ph_cancel_reset(self.context);
		if (self.presses >= 2) {
			self.pending = 1;
			ph_cancel(self.context);
		}
	}
	self.raised = 1;
	raise_interrupted(L);
}

static void set_hooks(void)
{
	lua_State *running = self.running;

	if (self.main != NULL)
		lua_sethook(self.main, hook, MASK_ALL, 1);
	if (running != NULL && running != self.main)
		lua_sethook(running, hook, MASK_ALL, 1);
}

/* Async-signal-safe. */
static void say(const char *text, size_t length)
{
	ssize_t ignored = write(STDERR_FILENO, text, length);

	(void)ignored;
}

#define SAY(text) say((text), sizeof(text) - 1)

static void on_interrupt(int signal_number)
{
	if (self.at_prompt) {
		self.pressed_at_prompt = 1;
		return;
	}
	self.presses++;
	if (!self.interactive && self.presses >= 3) {
		/* Delivered as soon as this handler returns. */
		signal(signal_number, SIG_DFL);
		raise(signal_number);
		return;
	}
	if (self.presses == 3)
		SAY("\nC code goes on that cannot be stopped. One more Ctrl-C leaves porthole.\n");
	if (self.presses >= 4)
		_exit(130);
	self.pending = 1;
	ph_cancel(self.context);
	set_hooks();
}

static void install(void)
{
	struct sigaction action = { .sa_handler = on_interrupt };

	sigemptyset(&action.sa_mask);
	/* No SA_RESTART: io.read has to come back. */
	sigaction(SIGINT, &action, NULL);
}

void interrupt_catch(lua_State *L, struct ph_context *context, const char *library)
{
	struct sigaction before;

	self.main = self.running = L;
	self.context = context;
	self.library = library;
	if (sigaction(SIGINT, NULL, &before) == 0 && before.sa_handler == SIG_IGN)
		return;
	install();
}

void interrupt_set_interactive(void)
{
	self.interactive = true;
	install();
}

void interrupt_settle(void)
{
	self.presses = self.pending = 0;
	self.running = self.main;
	lua_sethook(self.main, NULL, 0, 0);
	ph_cancel_reset(self.context);
}

void interrupt_enter_prompt(void)
{
	self.at_prompt = 1;
	self.raised = 0;
	interrupt_settle();
}

bool interrupt_pressed(void)
{
	return self.pressed_at_prompt != 0;
}

bool interrupt_take(void)
{
	bool pressed = self.pressed_at_prompt != 0;

	self.pressed_at_prompt = 0;
	return pressed;
}

bool interrupt_leave_prompt(void)
{
	self.at_prompt = 0;
	return interrupt_take();
}

bool interrupt_raised(void)
{
	return self.raised != 0;
}

void interrupt_end_line(void)
{
	if (self.raised && isatty(STDERR_FILENO))
		SAY("\n");
}

lua_State *interrupt_switch(lua_State *L)
{
	lua_State *before = self.running;

	self.running = L;
	/* A press that no hook of the one before has answered, or the second one, goes on here. */
	if (self.pending)
		lua_sethook(L, hook, MASK_ALL, 1);
	return before;
}

void interrupt_die(void)
{
	sigset_t set;

	signal(SIGINT, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	raise(SIGINT);
}

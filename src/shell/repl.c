#include "shell.h"
void repl_run(struct shell *shell)
{
	(void)shell;
}

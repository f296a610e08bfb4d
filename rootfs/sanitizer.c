/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of the sanitizers, in test builds only: init is started without an environment. LeakSanitizer needs ptrace at exit,
 * and exits with children around are the rule here.
 */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0:abort_on_error=0:exitcode=99";
}

const char *__ubsan_default_options(void)
{
	return "print_stacktrace=1:halt_on_error=1:exitcode=99";
}

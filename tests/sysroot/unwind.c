/* A forced unwind runs a cleanup handler: libgcc_eh finds the tables. */
#include <stdio.h>
#include <unwind.h>

static struct _Unwind_Exception exception;
static void *buffer[5];

static void cleanup(int *value)
{
	printf("cleanup %d\n", *value);
	fflush(stdout);
}

static _Unwind_Reason_Code stop(int version, _Unwind_Action actions,
				_Unwind_Exception_Class class,
				struct _Unwind_Exception *object,
				struct _Unwind_Context *context, void *arg)
{
	(void)version, (void)class, (void)object, (void)context;
	if (actions & _UA_END_OF_STACK)
		__builtin_longjmp(arg, 1);
	return _URC_NO_REASON;
}

__attribute__((noinline)) static void raise_it(void)
{
	_Unwind_ForcedUnwind(&exception, stop, buffer);
}

__attribute__((noinline)) static void pass(void)
{
	__attribute__((cleanup(cleanup))) int value = 7;

	raise_it();
}

int main(void)
{
	if (!__builtin_setjmp(buffer))
		pass();
	return 0;
}

/* The leak check: what is left when all processes are gone. Checked build only; see leak.c. */
#pragma once

#ifdef SAN
/* Notes what the kernel holds before process 1. Process context. */
void leakcheck_record(void);
/* With leakcheck=1, and if process 1 calls: ends all processes and compares. */
void leakcheck_poweroff(void);
/* @fn lets go of what a subsystem keeps for a while on purpose. Boot. */
void leakcheck_on_drain(void (*fn)(void));
#else
static inline void leakcheck_record(void)
{
}
static inline void leakcheck_poweroff(void)
{
}
static inline void leakcheck_on_drain(void (*fn)(void))
{
}
#endif

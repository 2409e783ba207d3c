/* SPDX-License-Identifier: MIT */
#ifndef RSEQ_UPSTREAM_H
#define RSEQ_UPSTREAM_H

/*
 * The inline API of the other librseq, spelled on top of this one, for programs
 * that are ported: include this instead of its <rseq/rseq.h>.  Names, arguments
 * and results are those of that library: 0 committed, 1 the comparison said no,
 * -1 again.  A memory order or a mode that it would accept and then do nothing
 * for does not compile.  See librseq(3), "The other librseq".
 */
#include <stdbool.h>

#include <rseq/rseq.h>

enum rseq_mo {
	RSEQ_MO_RELAXED = 0,
	RSEQ_MO_CONSUME = 1,
	RSEQ_MO_ACQUIRE = 2,
	RSEQ_MO_RELEASE = 3,
	RSEQ_MO_ACQ_REL = 4,
	RSEQ_MO_SEQ_CST = 5
};

enum rseq_percpu_mode {
	RSEQ_PERCPU_CPU_ID = 0,
	RSEQ_PERCPU_MM_CID = 1
};

enum rseq_available_query {
	RSEQ_AVAILABLE_QUERY_KERNEL = 0,
	RSEQ_AVAILABLE_QUERY_LIBC = 1
};

/* ---- the area: variables there, functions here ---- */

#define rseq_offset		(rseq_offset())
#define rseq_feature_size	(rseq_feature_size())
#define rseq_size		(rseq_feature_size)
#define rseq_flags		0u
#define rseq_thread_pointer()	rseq_thread_pointer_()

#ifdef __cplusplus
extern "C"
#endif
int sched_getcpu(void);

static inline int32_t rseq_current_cpu_raw(void)
{
	return rseq_this_cpu().n;
}

/* Never negative: what rseq_this_cpu() does not know, sched_getcpu() does. */
static inline int32_t rseq_fallback_current_cpu(void)
{
	return sched_getcpu();
}

static inline uint32_t rseq_current_cpu(void)
{
	const int32_t cpu = rseq_current_cpu_raw();

	return RSEQ_STATIC_(uint32_t,
			    cpu < 0 ? rseq_fallback_current_cpu() : cpu);
}

static inline bool rseq_node_id_available(void)
{
	return rseq_feature_size >= 24;
}

static inline uint32_t rseq_current_node_id(void)
{
	return RSEQ_STATIC_(uint32_t, rseq_node_id());
}

static inline bool rseq_mm_cid_available(void)
{
	return rseq_feature_size >= 28;
}

static inline uint32_t rseq_current_mm_cid(void)
{
	return RSEQ_STATIC_(uint32_t, rseq_this_cid().n);
}

static inline void rseq_clear_rseq_cs(void)
{
	rseq_prepare_unload();
}

/* The libc registers each thread; these tell whether it has. */
static inline int rseq_register_current_thread(void)
{
	return rseq_usable() ? 0 : -1;
}

static inline int rseq_unregister_current_thread(void)
{
	return 0;
}

static inline bool rseq_available(unsigned int query)
{
	(void)query;
	return rseq_usable() != 0;
}

/* ---- its compiler.h ---- */

#define rseq_likely(x)		__builtin_expect(!!(x), 1)
#define rseq_unlikely(x)	__builtin_expect(!!(x), 0)
#define rseq_barrier()		__asm__ __volatile__("" : : : "memory")
#define RSEQ_ACCESS_ONCE(x)	(*(__volatile__ __typeof__(x) *)&(x))
#define RSEQ_READ_ONCE(x)	RSEQ_ACCESS_ONCE(x)
#define RSEQ_WRITE_ONCE(x, v)	__extension__ ({ RSEQ_ACCESS_ONCE(x) = (v); })
#define rseq_smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define rseq_smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define rseq_smp_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
#define rseq_smp_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define rseq_smp_store_release(p, v)					\
	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define rseq_smp_acquire__after_ctrl_dep()	rseq_smp_rmb()
#define rseq_sizeof_field(TYPE, MEMBER)					\
	sizeof(((TYPE *)0)->MEMBER)
#define rseq_offsetofend(TYPE, MEMBER)					\
	(offsetof(TYPE, MEMBER) + rseq_sizeof_field(TYPE, MEMBER))

/* ---- operations ---- */

/* -1 there is both "again" and "this thread is not registered". */
static inline int rseq_upstream_(enum rseq_result result)
{
	return result == RSEQ_UNAVAILABLE ? -1 : RSEQ_STATIC_(int, result);
}

/* The sections that this library's users write with a guard, or themselves. */
#define RSEQ_MAKE_(where)						\
RSEQ_SECTION_IF(rseq_two_words_##where##_, where,			\
	(uintptr_t *v, uintptr_t expect, uintptr_t *v2, uintptr_t expect2, \
	 uintptr_t newv),						\
	RSEQ_IF_EQ_(RSEQ_POINTER_, RSEQ_V(v), expect, different)	\
	RSEQ_IF_EQ_(RSEQ_POINTER_, RSEQ_V(v2), expect2, different)	\
	RSEQ_COMMIT(RSEQ_STORE_(RSEQ_POINTER_, newv, RSEQ_V(v))),	\
	RSEQ_PLACE(v), RSEQ_IN(RSEQ_POINTER_, expect), RSEQ_PLACE(v2),	\
	RSEQ_IN(RSEQ_POINTER_, expect2), RSEQ_IN(RSEQ_POINTER_, newv))	\
RSEQ_SECTION_IF(rseq_pop_unless_##where##_, where,			\
	(uintptr_t *v, uintptr_t expect, intptr_t off, uintptr_t *item), \
	RSEQ_IF_NE_(RSEQ_POINTER_, RSEQ_V(v), expect, different)	\
	RSEQ_THEN(RSEQ_SAVE_(RSEQ_POINTER_, RSEQ_V(item)))		\
	RSEQ_THEN(RSEQ_ADD_(RSEQ_POINTER_, off) RSEQ_DEREF)		\
	RSEQ_COMMIT(RSEQ_SAVE_(RSEQ_POINTER_, RSEQ_V(v))),		\
	RSEQ_PLACE(v), RSEQ_IN(RSEQ_POINTER_, expect),			\
	RSEQ_IN(RSEQ_POINTER_, off), RSEQ_RESULT(item))			\
RSEQ_SECTION(rseq_add_twice_##where##_, where,				\
	(uintptr_t *v, intptr_t off, uintptr_t n),			\
	RSEQ_THEN(RSEQ_LOAD_(RSEQ_POINTER_, RSEQ_V(v)))			\
	RSEQ_THEN(RSEQ_ADD_(RSEQ_POINTER_, off) RSEQ_DEREF)		\
	RSEQ_COMMIT(RSEQ_DEREF_ADD_SAVE_(RSEQ_POINTER_, n)),		\
	RSEQ_PLACE(v), RSEQ_IN(RSEQ_POINTER_, off), RSEQ_IN(RSEQ_POINTER_, n))
RSEQ_MAKE_(cpu)
RSEQ_MAKE_(cid)
#undef RSEQ_MAKE_

/* For the constants that there is an operation for; no others compile. */
#define RSEQ_ONLY_(condition)						\
	((void)sizeof(char[(condition) ? 1 : -1]))
#define RSEQ_RELAXED_(mo)	RSEQ_ONLY_((mo) == RSEQ_MO_RELAXED)
#define RSEQ_ORDER_(mo)							\
	RSEQ_ONLY_((mo) == RSEQ_MO_RELAXED || (mo) == RSEQ_MO_RELEASE)
#define RSEQ_MODE_(mode)						\
	RSEQ_ONLY_((mode) == RSEQ_PERCPU_CPU_ID ||			\
		   (mode) == RSEQ_PERCPU_MM_CID)

#define RSEQ_UP_(v)	RSEQ_CAST_(uintptr_t *, v)
#define RSEQ_UN_(x)	RSEQ_STATIC_(uintptr_t, x)
#define RSEQ_CPU_(cpu)	rseq_upstream_cpu_(RSEQ_STATIC_(int, cpu))
#define RSEQ_CID_(cpu)	rseq_upstream_cid_(RSEQ_STATIC_(int, cpu))
static inline rseq_cpu_t rseq_upstream_cpu_(int n)
{
	const rseq_cpu_t cpu = { n };

	return cpu;
}
static inline rseq_cid_t rseq_upstream_cid_(int n)
{
	const rseq_cid_t cid = { n };

	return cid;
}

/* name##_cpu_(arguments..., cpu) or the same by concurrency id */
#define RSEQ_MODES_(mode, name, cpu, ...)				\
	(RSEQ_MODE_(mode), rseq_upstream_((mode) == RSEQ_PERCPU_CPU_ID ? \
		name##_cpu_(__VA_ARGS__, RSEQ_CPU_(cpu)) :		\
		name##_cid_(__VA_ARGS__, RSEQ_CID_(cpu))))
#define RSEQ_ORDERS_(mo, mode, name, cpu, ...)				\
	(RSEQ_ORDER_(mo), (mo) == RSEQ_MO_RELAXED ?			\
		RSEQ_MODES_(mode, name, cpu, __VA_ARGS__) :		\
		RSEQ_MODES_(mode, name##_release, cpu, __VA_ARGS__))

RSEQ_INLINE_ enum rseq_result
rseq_up_store_cpu_(uintptr_t *v, uintptr_t expect, uintptr_t newv,
		   rseq_cpu_t id)
{
	return rseq_compare_store(v, expect, newv, id);
}
RSEQ_INLINE_ enum rseq_result
rseq_up_store_cid_(uintptr_t *v, uintptr_t expect, uintptr_t newv,
		   rseq_cid_t id)
{
	return rseq_compare_store(v, expect, newv, id);
}
RSEQ_INLINE_ enum rseq_result
rseq_up_add_cpu_(uintptr_t *v, uintptr_t n, rseq_cpu_t id)
{
	return rseq_add(v, n, id);
}
RSEQ_INLINE_ enum rseq_result
rseq_up_add_cid_(uintptr_t *v, uintptr_t n, rseq_cid_t id)
{
	return rseq_add(v, n, id);
}

/* if (*v == expect) *v = newv; */
#define rseq_load_cbne_store__ptr(mo, mode, v, expect, newv, cpu)	\
	(RSEQ_RELAXED_(mo), RSEQ_MODES_(mode, rseq_up_store, cpu,	\
		RSEQ_UP_(v), RSEQ_UN_(expect), RSEQ_UN_(newv)))

/* if (*v == expect && *v2 == expect2) *v = newv; */
#define rseq_load_cbne_load_cbne_store__ptr(mo, mode, v, expect, v2,	\
					    expect2, newv, cpu)		\
	(RSEQ_RELAXED_(mo), RSEQ_MODES_(mode, rseq_two_words, cpu,	\
		RSEQ_UP_(v), RSEQ_UN_(expect), RSEQ_UP_(v2),		\
		RSEQ_UN_(expect2), RSEQ_UN_(newv)))

/* if (*v == expect) { *v2 = newv2; *v = newv; } */
#define rseq_load_cbne_store_store__ptr(mo, mode, v, expect, v2, newv2,	\
					newv, cpu)			\
	RSEQ_ORDERS_(mo, mode, rseq_put, cpu,				\
		RSEQ_UP_(v), RSEQ_UN_(expect), RSEQ_UP_(v2),		\
		RSEQ_UN_(newv2), RSEQ_UN_(newv))

/* if (*v == expect) { memcpy(dst, src, len); *v = newv; } */
#define rseq_load_cbne_memcpy_store__ptr(mo, mode, v, expect, dst, src,	\
					 len, newv, cpu)		\
	RSEQ_ORDERS_(mo, mode, rseq_copy, cpu,				\
		RSEQ_UP_(v), RSEQ_UN_(expect),				\
		RSEQ_STATIC_(uintptr_t *, RSEQ_STATIC_(void *, dst)),	\
		RSEQ_STATIC_(const uintptr_t *,				\
			     RSEQ_STATIC_(const void *, src)),		\
		len, RSEQ_UN_(newv))

/* if (*v != expectnot) { *load = *v; *v = *(intptr_t *)(*v + voffp); } */
#define rseq_load_cbeq_store_add_load_store__ptr(mo, mode, v, expectnot, \
						 voffp, load, cpu)	\
	(RSEQ_RELAXED_(mo), RSEQ_MODES_(mode, rseq_pop_unless, cpu,	\
		RSEQ_UP_(v), RSEQ_UN_(expectnot), voffp, RSEQ_UP_(load)))

/* *v += count; */
#define rseq_load_add_store__ptr(mo, mode, v, count, cpu)		\
	(RSEQ_RELAXED_(mo), RSEQ_MODES_(mode, rseq_up_add, cpu,		\
		RSEQ_UP_(v), RSEQ_UN_(count)))

/* **(*ptr + off) += inc; */
#define rseq_load_add_load_load_add_store__ptr(mo, mode, ptr, off, inc, cpu) \
	(RSEQ_RELAXED_(mo), RSEQ_MODES_(mode, rseq_add_twice, cpu,	\
		RSEQ_UP_(ptr), off, RSEQ_UN_(inc)))

/* Their names before 2024. */
#define rseq_cmpeqv_storev		rseq_load_cbne_store__ptr
#define rseq_cmpeqv_cmpeqv_storev	rseq_load_cbne_load_cbne_store__ptr
#define rseq_cmpeqv_trystorev_storev	rseq_load_cbne_store_store__ptr
#define rseq_cmpeqv_trymemcpy_storev	rseq_load_cbne_memcpy_store__ptr
#define rseq_cmpnev_storeoffp_load					\
	rseq_load_cbeq_store_add_load_store__ptr
#define rseq_addv			rseq_load_add_store__ptr
#define rseq_offset_deref_addv	rseq_load_add_load_load_add_store__ptr

#endif

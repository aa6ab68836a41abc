// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/system_calls.h"

#include <seccomp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <memory>

namespace flannel {
namespace {

// The system calls that dist/flanneld.service allows, for all architectures, without those for
// namespaces, other users' identities, keys and io_uring; and in addition those for further
// filters, and fchown, which SQLite as root calls for its own files. "socket" is handled below.
// clang-format off
constexpr std::string_view kAllowed[] = {
    "_llseek", "_newselect", "accept", "accept4", "access", "alarm", "arch_prctl",
    "arm_fadvise64_64", "bind", "brk", "cacheflush", "capget", "chdir", "chmod", "clock_getres",
    "clock_getres_time64", "clock_gettime", "clock_gettime64", "clock_nanosleep",
    "clock_nanosleep_time64", "clone", "clone3", "close", "close_range", "connect",
    "copy_file_range", "creat", "dup", "dup2", "dup3", "epoll_create", "epoll_create1", "epoll_ctl",
    "epoll_ctl_old", "epoll_pwait", "epoll_pwait2", "epoll_wait", "epoll_wait_old", "eventfd",
    "eventfd2", "execve", "execveat", "exit", "exit_group", "faccessat", "faccessat2", "fadvise64",
    "fadvise64_64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchmodat2", "fchown", "fcntl",
    "fcntl64", "fdatasync", "fgetxattr", "flistxattr", "flock", "fork", "fremovexattr", "fsetxattr",
    "fstat", "fstat64", "fstatat64", "fstatfs", "fstatfs64", "fsync", "ftruncate", "ftruncate64",
    "futex", "futex_time64", "futex_waitv", "futimesat", "get_mempolicy", "get_robust_list",
    "get_thread_area", "getcpu", "getcwd", "getdents", "getdents64", "getegid", "getegid32",
    "geteuid", "geteuid32", "getgid", "getgid32", "getgroups", "getgroups32", "getitimer",
    "getpeername", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom",
    "getresgid", "getresgid32", "getresuid", "getresuid32", "getrlimit", "getrusage", "getsid",
    "getsockname", "getsockopt", "gettid", "gettimeofday", "getuid", "getuid32", "getxattr",
    "inotify_add_watch", "inotify_init", "inotify_init1", "inotify_rm_watch", "io_cancel",
    "io_destroy", "io_getevents", "io_pgetevents", "io_pgetevents_time64", "io_setup", "io_submit",
    "ioctl", "ioprio_get", "ipc", "kill", "lgetxattr", "link", "linkat", "listen", "listxattr",
    "llistxattr", "lremovexattr", "lseek", "lsetxattr", "lstat", "lstat64", "madvise", "membarrier",
    "memfd_create", "mkdir", "mkdirat", "mlock", "mlock2", "mlockall", "mmap", "mmap2", "mprotect",
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedreceive_time64",
    "mq_timedsend", "mq_timedsend_time64", "mq_unlink", "mremap", "msgctl", "msgget", "msgrcv",
    "msgsnd", "msync", "munlock", "munlockall", "munmap", "nanosleep", "newfstatat", "oldfstat",
    "oldlstat", "oldolduname", "oldstat", "olduname", "open", "openat", "openat2", "pause",
    "pidfd_open", "pidfd_send_signal", "pipe", "pipe2", "poll", "ppoll", "ppoll_time64", "prctl",
    "pread64", "preadv", "preadv2", "prlimit64", "pselect6", "pselect6_time64", "pwrite64",
    "pwritev", "pwritev2", "read", "readahead", "readdir", "readlink", "readlinkat", "readv",
    "recv", "recvfrom", "recvmmsg", "recvmmsg_time64", "recvmsg", "remap_file_pages", "removexattr",
    "rename", "renameat", "renameat2", "restart_syscall", "riscv_flush_icache", "riscv_hwprobe",
    "rmdir", "rseq", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
    "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_sigtimedwait_time64",
    "rt_tgsigqueueinfo", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
    "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
    "sched_rr_get_interval_time64", "sched_setaffinity", "sched_setattr", "sched_yield", "seccomp",
    "select", "semctl", "semget", "semop", "semtimedop", "semtimedop_time64", "send", "sendfile",
    "sendfile64", "sendmmsg", "sendmsg", "sendto", "set_robust_list", "set_thread_area",
    "set_tid_address", "set_tls", "setitimer", "setpgid", "setsid", "setsockopt", "setxattr",
    "shmat", "shmctl", "shmdt", "shmget", "shutdown", "sigaction", "sigaltstack", "signal",
    "signalfd", "signalfd4", "sigpending", "sigprocmask", "sigreturn", "sigsuspend", "socketcall",
    "socketpair", "splice", "stat", "stat64", "statfs", "statfs64", "statx", "symlink", "symlinkat",
    "sync", "sync_file_range", "sync_file_range2", "syncfs", "sysinfo", "tee", "tgkill", "time",
    "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime", "timer_gettime64",
    "timer_settime", "timer_settime64", "timerfd_create", "timerfd_gettime", "timerfd_gettime64",
    "timerfd_settime", "timerfd_settime64", "times", "tkill", "truncate", "truncate64",
    "ugetrlimit", "umask", "uname", "unlink", "unlinkat", "uretprobe", "utime", "utimensat",
    "utimensat_time64", "utimes", "vfork", "vmsplice", "wait4", "waitid", "waitpid", "write",
    "writev",
};
// clang-format on

// Charon gives its socket an owner, and gives capabilities up itself.
constexpr std::string_view kCharonCalls[] = {"capset", "chown", "chown32"};

#ifdef __SANITIZE_ADDRESS__
// The leak check at exit stops all threads with ptrace.
constexpr std::string_view kOfSanitizers[] = {"ptrace"};
#else
constexpr std::span<const std::string_view> kOfSanitizers;
#endif

// With ENOSYS a libc that tries a newer system call falls back, as on a kernel without it.
constexpr std::uint32_t kRefusal = SCMP_ACT_ERRNO(ENOSYS);

// In order. By AF_PACKET probes of peers are received.
constexpr unsigned kFamilies[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK, AF_PACKET};
constexpr unsigned kLastFamily = AF_PACKET;

struct Release {
  void operator()(void* filter) const { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

Result<void> check(int status) {
  if (status < 0) return os_error("filter system calls", -status);
  return {};
}

Result<void> add(const Filter& filter, std::string_view name) {
  const int number = ::seccomp_syscall_resolve_name(std::string(name).c_str());
  if (number < 0) return {};  // a call of another architecture, or unknown to libseccomp
  return check(::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, number, 0));
}

Result<void> add_socket(const Filter& filter, std::uint32_t action, scmp_compare how,
                        unsigned family) {
  const scmp_arg_cmp first{.arg = 0, .op = how, .datum_a = family, .datum_b = 0};
  return check(::seccomp_rule_add_array(filter.get(), action, SCMP_SYS(socket), 1, &first));
}

Result<void> add_sockets(const Filter& filter) {
  for (unsigned family = 0; family <= kLastFamily; ++family) {
    const bool allowed = std::ranges::find(kFamilies, family) != std::end(kFamilies);
    TRY(add_socket(filter, allowed ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_CMP_EQ,
                   family));
  }
  return add_socket(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_CMP_GT, kLastFamily);
}

// Failures are ignored: older kernels and libraries lack some of these attributes.
void set_attributes(const Filter& filter) {
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_ACT_BADARCH, kRefusal);
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_API_SYSRAWRC, 1);  // raw kernel errors
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_LOG, 1);
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);  // a binary tree
  // Kernels before 5.16 would otherwise slow the whole process down with a mitigation that only
  // foreign code needs.
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_SSB, 1);
}

}  // namespace

std::span<const std::string_view> allowed_system_calls() {
  return kAllowed;
}

Result<void> filter_system_calls(bool for_charon) {
  const Filter filter(::seccomp_init(kRefusal));
  if (!filter) return fail(ErrorKind::exhausted, "filter system calls: no memory");
  set_attributes(filter);
  for (const std::string_view name : kAllowed)
    TRY(add(filter, name));
  for (const std::string_view name : kOfSanitizers)
    TRY(add(filter, name));
  for (const std::string_view name : kCharonCalls) {
    if (for_charon) TRY(add(filter, name));
  }
  TRY(add_sockets(filter));
  return check(::seccomp_load(filter.get()));
}

}  // namespace flannel

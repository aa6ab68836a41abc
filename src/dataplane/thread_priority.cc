// SPDX-License-Identifier: Apache-2.0
#include "dataplane/thread_priority.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>

namespace flannel {
namespace {

// The first version (Linux 3.14) of struct sched_attr of sched_setattr(2).
struct SchedulingAttributes {
  std::uint32_t size = 48;
  std::uint32_t policy = 0;  // SCHED_OTHER
  std::uint64_t flags = 0;
  std::int32_t nice = 0;
  std::uint32_t priority = 0;
  std::uint64_t runtime = 0;  // in ns; for SCHED_OTHER the time slice, since Linux 6.12
  std::uint64_t deadline = 0;
  std::uint64_t period = 0;
};
static_assert(sizeof(SchedulingAttributes) == 48);

constexpr std::uint64_t kSlice = 100'000;  // the least that Linux grants

bool set_scheduling(std::int32_t nice) {
  const SchedulingAttributes attributes{.nice = nice, .runtime = kSlice};
  return ::syscall(SYS_sched_setattr, 0, &attributes, 0u) == 0;
}

}  // namespace

// Short time slices need no privilege.
bool go_before_others() {
  return set_scheduling(kPacketThreadNice) || set_scheduling(::getpriority(PRIO_PROCESS, 0));
}

}  // namespace flannel

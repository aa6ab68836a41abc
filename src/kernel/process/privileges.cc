// SPDX-License-Identifier: Apache-2.0
#include "kernel/process/privileges.h"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <thread>
#include <utility>

#include "base/result.h"
#include "kernel/process/system_calls.h"

namespace flannel {
namespace {

using Mask = std::uint64_t;

constexpr Mask bit(int capability) {
  return Mask{1} << capability;
}

constexpr Mask kNeeded = bit(CAP_NET_ADMIN) | bit(CAP_NET_RAW);
constexpr Mask kFiles = bit(CAP_DAC_OVERRIDE) | bit(CAP_DAC_READ_SEARCH);
constexpr Mask kCharonRights = bit(CAP_NET_BIND_SERVICE) | bit(CAP_CHOWN);
constexpr int kMost = 64;

constexpr std::array<const char*, 41> kCapabilityNames = {"CHOWN",
                                                          "DAC_OVERRIDE",
                                                          "DAC_READ_SEARCH",
                                                          "FOWNER",
                                                          "FSETID",
                                                          "KILL",
                                                          "SETGID",
                                                          "SETUID",
                                                          "SETPCAP",
                                                          "LINUX_IMMUTABLE",
                                                          "NET_BIND_SERVICE",
                                                          "NET_BROADCAST",
                                                          "NET_ADMIN",
                                                          "NET_RAW",
                                                          "IPC_LOCK",
                                                          "IPC_OWNER",
                                                          "SYS_MODULE",
                                                          "SYS_RAWIO",
                                                          "SYS_CHROOT",
                                                          "SYS_PTRACE",
                                                          "SYS_PACCT",
                                                          "SYS_ADMIN",
                                                          "SYS_BOOT",
                                                          "SYS_NICE",
                                                          "SYS_RESOURCE",
                                                          "SYS_TIME",
                                                          "SYS_TTY_CONFIG",
                                                          "MKNOD",
                                                          "LEASE",
                                                          "AUDIT_WRITE",
                                                          "AUDIT_CONTROL",
                                                          "SETFCAP",
                                                          "MAC_OVERRIDE",
                                                          "MAC_ADMIN",
                                                          "SYSLOG",
                                                          "WAKE_ALARM",
                                                          "BLOCK_SUSPEND",
                                                          "AUDIT_READ",
                                                          "PERFMON",
                                                          "BPF",
                                                          "CHECKPOINT_RESTORE"};

std::string name_of(int capability) {
  const auto at = static_cast<std::size_t>(capability);
  return "CAP_" +
         (at < kCapabilityNames.size() ? kCapabilityNames[at] : std::to_string(capability));
}

struct Sets {
  Mask effective = 0, permitted = 0, inheritable = 0;

  Sets operator&(Mask mask) const {
    return {effective & mask, permitted & mask, inheritable & mask};
  }
  bool operator==(const Sets&) const = default;
};

// The capability sets of the calling thread.
Result<Sets> read_sets() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return os_error("capget");
  const auto join = [](std::uint32_t low, std::uint32_t high) { return Mask{high} << 32 | low; };
  return Sets{join(data[0].effective, data[1].effective),
              join(data[0].permitted, data[1].permitted),
              join(data[0].inheritable, data[1].inheritable)};
}

Result<void> write_sets(const Sets& sets) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const auto half = [&](int shift) {
    return __user_cap_data_struct{static_cast<std::uint32_t>(sets.effective >> shift),
                                  static_cast<std::uint32_t>(sets.permitted >> shift),
                                  static_cast<std::uint32_t>(sets.inheritable >> shift)};
  };
  const std::array<__user_cap_data_struct, 2> data{half(0), half(32)};
  if (::syscall(SYS_capset, &header, data.data()) != 0) return os_error("capset");
  return {};
}

// True if `path` allows `how`; if `path` does not exist, true if the folder in which it would be
// created allows it.
bool allows(const std::string& path, int how) {
  if (::access(path.c_str(), how) == 0) return true;
  if (errno != ENOENT) return false;
  const std::filesystem::path above = std::filesystem::path(path).parent_path();
  if (above.empty() || above == path) return true;
  return allows(above, (how & W_OK) != 0 ? W_OK | X_OK : X_OK);
}

bool may_read(const std::string& path) {
  return allows(path, R_OK);
}

// A file is normally replaced in its folder; a file that is a mount point is written in place.
bool may_write(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  return allows(path, R_OK | W_OK) && (folder.empty() || allows(folder, W_OK | X_OK));
}

bool may_connect(const std::string& socket) {
  return allows(socket, W_OK);
}

// The first file that can be opened only with kFiles; empty: there is none.
template <typename May>
std::string out_of_reach(const std::vector<std::string>& files, const Sets& sets, May may) {
  std::vector<std::string> refused;
  // access() checks the rights of the calling thread, so a thread without kFiles calls it.
  std::thread([&] {
    if (!write_sets(sets & ~kFiles)) return;
    std::ranges::remove_copy_if(files, std::back_inserter(refused), may);
  }).join();
  const auto found = std::ranges::find_if(refused, may);
  return found == refused.end() ? std::string() : *found;
}

// The capabilities of kFiles that are retained; appends the reason to `result`.
Mask rights_to_files(const NeededLater& files, const Sets& sets, Privileges& result) {
  if ((sets.permitted & kFiles) == 0) return 0;
  if (const auto file = out_of_reach(files.write, sets, may_write); !file.empty()) {
    result.reasons.push_back(file + " cannot be written without CAP_DAC_OVERRIDE");
    return bit(CAP_DAC_OVERRIDE);  // also allows reading
  }
  if (const auto socket = out_of_reach(files.connect, sets, may_connect); !socket.empty()) {
    result.reasons.push_back(socket + " cannot be connected to without CAP_DAC_OVERRIDE");
    return bit(CAP_DAC_OVERRIDE);
  }
  if (const auto file = out_of_reach(files.read, sets, may_read); !file.empty()) {
    const bool search = (sets.permitted & bit(CAP_DAC_READ_SEARCH)) != 0;
    const int kept = search ? CAP_DAC_READ_SEARCH : CAP_DAC_OVERRIDE;
    result.reasons.push_back(file + " cannot be read without " + name_of(kept));
    return bit(kept);
  }
  return 0;
}

Mask right_to_niceness(const NeededLater& needs, const Sets& sets, Privileges& result) {
  if (!needs.niceness || (sets.permitted & bit(CAP_SYS_NICE)) == 0) return 0;
  result.reasons.push_back("packet threads cannot go before others without CAP_SYS_NICE");
  return bit(CAP_SYS_NICE);
}

Mask rights_of_charon(const NeededLater& needs, const Sets& sets, Privileges& result) {
  const Mask there = sets.permitted & kCharonRights;
  if (!needs.charon || there == 0) return 0;
  result.reasons.emplace_back(
      "charon, which may be started, needs CAP_NET_BIND_SERVICE, CAP_CHOWN");
  return there;
}

// Drops all capabilities but `kept` from the bounding set, which limits the programs that are run.
void bound(Mask kept, Privileges& result) {
  for (int capability = 0; capability < kMost; ++capability) {
    const int there = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (there < 0) return;  // the kernel has no further capabilities
    if (there == 0 || (kept & bit(capability)) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      result.failures.push_back(os_error("bound the capabilities of programs").value().text);
      return;
    }
  }
}

void say_what_is_kept(const Sets& sets, Privileges& result) {
  for (int capability = 0; capability < kMost; ++capability) {
    if ((sets.permitted & bit(capability)) != 0) result.capabilities.push_back(name_of(capability));
  }
}

void drop_capabilities(const NeededLater& needs, Privileges& result) {
  const auto sets = read_sets();
  if (!sets) {
    result.failures.push_back(sets.error().text);
    return;
  }
  const Mask passed_on = kNeeded | rights_of_charon(needs, *sets, result);
  const Mask kept =
      passed_on | rights_to_files(needs, *sets, result) | right_to_niceness(needs, *sets, result);
  bound(passed_on, result);
  const Sets wanted = *sets & kept;
  // A capability that leaves the inheritable set leaves the ambient set too. An unchanged set is
  // not written, because a service manager may forbid the call.
  const auto written = wanted == *sets ? Result<void>() : write_sets(wanted);
  if (!written) result.failures.push_back(written.error().text);
  say_what_is_kept(written ? wanted : *sets, result);
}

}  // namespace

Privileges drop_privileges(const NeededLater& needs) {
  Privileges result;
  drop_capabilities(needs, result);
  result.no_new = ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0;
  if (!result.no_new) result.failures.push_back(os_error("set no_new_privs").value().text);
  const auto filtered = filter_system_calls(needs.charon);
  result.filtered = filtered.has_value();
  if (!filtered) result.failures.push_back(filtered.error().text);
  return result;
}

}  // namespace flannel

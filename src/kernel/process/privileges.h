// SPDX-License-Identifier: Apache-2.0
// Gives up the privileges of root that this process and the programs that it runs do not need.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace flannel {

// Later actions that may need a privilege. A missing file is checked by its folder.
struct NeededLater {
  std::vector<std::string> read;
  std::vector<std::string> write;         // replaced or created files: their folder is written to
  std::vector<std::string> connect = {};  // UNIX sockets
  bool niceness = false;                  // threads set it beyond RLIMIT_NICE
  bool charon = false;                    // that program may be run (charon_rights.h)
};

// The privileges after drop_privileges().
struct Privileges {
  std::vector<std::string> capabilities;  // "CAP_NET_ADMIN"
  std::vector<std::string> reasons;       // why more than CAP_NET_ADMIN and CAP_NET_RAW
  std::vector<std::string> failures;      // privileges that could not be given up
  bool no_new = false;                    // programs that are run gain none
  bool filtered = false;                  // filter_system_calls() succeeded
};

// Drops all capabilities except CAP_NET_ADMIN and CAP_NET_RAW from all sets; this process itself
// also retains those of CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE and CAP_SYS_NICE that `needs`
// requires. Programs that are run can get the first two only, and what charon needs if that may be
// run. Then sets no_new_privs and the filter
// of system calls. This cannot be undone. Privileges that cannot be given up are in `failures`.
// Must be called before any other thread is started: all of this belongs to a thread, and the
// threads that it starts inherit it.
Privileges drop_privileges(const NeededLater& needs);

}  // namespace flannel

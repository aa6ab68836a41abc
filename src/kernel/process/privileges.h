// SPDX-License-Identifier: Apache-2.0
// What root may do and this program needs not is given up, for it and the programs that it runs.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace flannel {

// What is done later and may take a right. Of a file that is not there its folder counts.
struct NeededLater {
  std::vector<std::string> read;
  std::vector<std::string> write;  // files that are replaced or made: their folder is written to
  bool niceness = false;           // threads set their own, and RLIMIT_NICE does not allow it
};

// What the process has after drop_privileges().
struct Privileges {
  std::vector<std::string> capabilities;  // "CAP_NET_ADMIN"
  std::vector<std::string> reasons;       // why more than CAP_NET_ADMIN and CAP_NET_RAW
  std::vector<std::string> failures;      // what could not be given up
  bool no_new = false;                    // no program that is run gains any
  bool filtered = false;                  // by filter_system_calls()
};

// Keeps CAP_NET_ADMIN and CAP_NET_RAW as far as they are there, and for this process itself what of
// CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE and CAP_SYS_NICE `needs` takes; every other capability goes
// from all sets. Programs that are run can get those two alone. Then no_new_privs and the filter of
// system calls. Cannot be undone. What cannot be given up stays and is said. Called before any
// other thread is started: all of this is of a thread, and handed to those that it starts.
Privileges drop_privileges(const NeededLater& needs);

}  // namespace flannel

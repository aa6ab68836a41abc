// SPDX-License-Identifier: Apache-2.0
// The checks of `flannelctl doctor`. Each looks at one thing and says what it has seen.
#pragma once

#include <string>
#include <vector>

#include "ctl/command.h"
#include "ctl/daemon_view.h"

namespace flannel::doctor {

enum class Verdict {
  ok,
  wrong,
  unknown,  // it could not be seen; the text says why
};

struct Check {
  Verdict verdict = Verdict::ok;
  std::string area;         // "host", "store"
  std::string text;         // what was seen
  std::string code = {};    // the kind of what is wrong: docs/problems.md
  std::string remedy = {};  // if it is wrong
  std::string object = {};  // what a problem of flanneld is about; empty for other checks
};
using Checks = std::vector<Check>;

// What the daemon says of itself: a check for each area, and for each of its problems.
void check_daemon(const CtlOptions& options, const Result<DaemonView>& daemon,
                  const Terminal& terminal, Checks& checks);
// What doctor --fix has done, if it is in force.
void check_fix(const DaemonView& daemon, Checks& checks);
// Has the daemon put right what is found wrong and can be put right by it; `checks` gets what was
// done. Nothing can be without such a finding.
Result<void> fix(const CtlOptions& options, Checks& checks);
// Takes back what fix() did.
Result<void> undo_fix(const CtlOptions& options, Checks& checks);
// Whether rules of any packet filter drop what containers send to peers, and what they get.
void check_rules(const DaemonView& daemon, const HostView& host, Checks& checks);
// Whether Docker's bridge has our subnet, and an MTU that the overlay carries.
void check_bridge(const DaemonView& daemon, const HostView& host, Checks& checks);
// The release of the Docker behind this socket, and whether its network with our subnet has an MTU
// that the overlay carries. Without a Docker that answers there is nothing to say.
void check_docker(const std::string& socket, const DaemonView& daemon, Checks& checks);
// Whether systemd-networkd or NetworkManager takes the overlay's devices or the bridge for its own.
// `root`: the folder that has their /run; empty: that of this host.
void check_managers(const std::string& root, const DaemonView& daemon, const HostView& host,
                    Checks& checks);
// Whether the store answers this program, how fast, and which leases their hosts do not renew.
void check_store(const CtlOptions& options, Checks& checks);
// Whether this host's clock and the store's agree.
void check_clock(const CtlOptions& options, Checks& checks);
// Until when the certificates for the store are valid.
void check_certificates(const CtlOptions& options, Checks& checks);

}  // namespace flannel::doctor

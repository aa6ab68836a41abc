// SPDX-License-Identifier: Apache-2.0
// What the keeper of our lease asks its runner to do. At most one call to the store is under way
// at a time, and it is the last act of a list.
#pragma once

#include <string>
#include <variant>

#include "core/lease.h"
#include "core/registry.h"

namespace flannel {

struct TakeSnapshot {};
struct CreateRecord {
  std::string key, value;
  Ttl ttl;
};
struct ReplaceRecord {
  Record seen;
  std::string value;
  Ttl ttl;
};
struct RenewRecord {
  Record seen;
  Ttl ttl;
};
struct ReleaseRecord {  // an own record that does not fit the configuration, or an orderly leave
  Record seen;
};
struct ReportTakeOver {  // this record is to be ours, though another node wrote it
  Lease theirs;
};
struct AnnounceActive {  // the lease is ours: newly, or with other attributes, or what was reported
  Lease lease;           // since the last one is over
};
struct ReportLost {  // the record was removed or taken by somebody: alarm; acquiring goes on
  Lease lease;
  std::string reason;
};
struct ReportError {  // cannot acquire or write: out of subnets, store away ...; retried
  Error error;
};
using KeeperAct =
    std::variant<TakeSnapshot, CreateRecord, ReplaceRecord, RenewRecord, ReleaseRecord,
                 ReportTakeOver, AnnounceActive, ReportLost, ReportError>;

}  // namespace flannel

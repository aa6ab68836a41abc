// SPDX-License-Identifier: Apache-2.0
// The acts that the LeaseKeeper asks the LeaseRunner to perform. At most one call to the store is
// in progress at a time, and it is the last act of a list.
#pragma once

#include <optional>
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
struct ReleaseRecord {  // deletes an own record that is not to be used, or because we are drained
  Record seen;
};
// The host is drained, and the store has no lease of ours. `reservation`: the key of a reservation
// for us; the keeper does not delete what an operator reserved.
struct ReportDrained {
  std::optional<std::string> reservation;
};
struct ReportTakeOver {  // the keeper takes over this record, which another node wrote
  Lease theirs;
};
// The lease has become active, its attributes have changed, or a reported loss or error is over.
struct AnnounceActive {
  Lease lease;
};
// The record was removed, or taken by another host: an alarm. Acquiring continues.
struct ReportLost {
  Lease lease;
  std::string reason;
};
struct ReportError {  // cannot acquire or write: no free subnet, no store ...; retried
  Error error;
};
using KeeperAct =
    std::variant<TakeSnapshot, CreateRecord, ReplaceRecord, RenewRecord, ReleaseRecord,
                 ReportTakeOver, ReportDrained, AnnounceActive, ReportLost, ReportError>;

}  // namespace flannel

// SPDX-License-Identifier: Apache-2.0
// What the commands `store ...` share.
#pragma once

#include <optional>
#include <string>

#include "core/move_notes.h"
#include "core/store_copy.h"
#include "ctl/command.h"
#include "ctl/store_session.h"

namespace flannel {

// The TTL of the copy of a lease whose remaining life the store does not know.
inline constexpr std::chrono::seconds kCopyTtl{86400};

// Returns the options with the endpoints of `address`, which the operator has named, among those
// that may get the secrets of these options.
CtlOptions trusting(CtlOptions options, const StoreAddress& address);

// A store as it is, and a session to write it.
struct OpenStore {
  StoreAddress address;
  StoreSession session;
  Snapshot snapshot;
  MoveNotes notes;  // of its configuration; empty if it has none

  // Opens an existing store and lists it.
  static Result<OpenStore> open(const StoreAddress& address, const CtlOptions& options);
  // Does the same for a store that may be empty; an SQLite file is made if `make` is set.
  static Result<OpenStore> open_target(const StoreAddress& address, const CtlOptions& options,
                                       bool make);
  // Lists the store again.
  Result<void> refresh();
  // Asks how long the records of `snapshot` live on.
  Result<RemainingLives> remaining_lives();
  // Writes the notes into the configuration, if it is still the one of `snapshot`.
  Result<void> write_notes(const MoveNotes& changed);
};

// Performs a step of a copy on the new store.
Result<void> perform(const CopyStep& step, StoreSession& store);

// Returns a table of all hosts, and where they stand.
std::string table_of(const std::vector<FollowingHost>& hosts);

}  // namespace flannel

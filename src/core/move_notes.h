// SPDX-License-Identifier: Apache-2.0
// The notes by which a cluster moves from one store to another (docs/moving-stores.md). They are
// members of the network configuration, which other releases of flannel ignore:
//   in the old store  "MovedTo":   {"Id": "3f0c…", "Store": "etcd3:http://…", "Retired": true}
//   in the new store  "MovedFrom": {"Id": "3f0c…", "Store": "etcd2:http://…", "Retired": true}
// Until both notes say so, the old store alone decides which host owns which subnet. "Retired" is
// written into the old store first: from then on no host takes a subnet there. The leases that came
// last are copied, and then it is written into the new store, which decides from then on.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "core/store_address.h"

namespace flannel {

struct MoveNote {
  std::string id;        // the same in both notes of a move: 1 to 32 lower-case hexadecimal digits
  StoreAddress store;    // the other one
  bool retired = false;  // the old store is retired

  bool operator==(const MoveNote&) const = default;
};

struct MoveNotes {
  std::optional<MoveNote> to;
  std::optional<MoveNote> from;

  bool operator==(const MoveNotes&) const = default;
};

// Reads the notes of a configuration. An error names the member and what is wrong with it.
Result<MoveNotes> read_move_notes(std::string_view config);

// Returns the configuration with `notes` in place of those that it has. The other members keep
// their order and their values; it is an error if two of them have one name.
Result<std::string> with_move_notes(std::string_view config, const MoveNotes& notes);

// The member of a lease record that a copy has until the host of the lease has written it itself.
inline constexpr std::string_view kCopiedFrom = "CopiedFrom";

// Returns the value of a lease record with the mark of the move `id`. `value` is a JSON object.
std::string with_copy_mark(std::string_view value, std::string_view id);
bool has_copy_mark(std::string_view value);

}  // namespace flannel

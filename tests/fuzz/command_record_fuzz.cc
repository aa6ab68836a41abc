// SPDX-License-Identifier: Apache-2.0
// Any text as the file of what commands have done, as what a command has printed, and as what a
// peer announces for one.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "backend/extension.h"
#include "core/command_record.h"
#include "core/go_json.h"
#include "fuzz/expect.h"

namespace {

void try_record(std::string_view text) {
  const auto record = flannel::decode_command_record(text);
  if (!record) {
    FUZZ_EXPECT(!record.error().text.empty());
    return;
  }
  const auto again = flannel::decode_command_record(flannel::encode_command_record(*record));
  FUZZ_EXPECT(again && *again == *record);
}

// What is announced comes to a peer as it was printed.
void try_output(std::string_view text) {
  const auto announced = flannel::announced_text(text);
  if (!announced) return;
  flannel::LeaseAttributes lease;
  lease.backend_data = flannel::json_quote(*announced);
  FUZZ_EXPECT(flannel::command_peer({}, lease).input == *announced);
}

void try_lease(std::string_view text) {
  const auto lease = flannel::decode_lease_value(text);
  if (!lease) return;
  const auto peer = flannel::command_peer({}, *lease);
  FUZZ_EXPECT(peer.input.size() <= text.size());
  FUZZ_EXPECT(peer.variables.size() == 4);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try_record(text);
  try_output(text);
  try_lease(text);
  return 0;
}

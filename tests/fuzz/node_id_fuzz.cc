// SPDX-License-Identifier: Apache-2.0
// Whatever is in the file of the node id, or in a stranger's lease: what is read is written and
// read again as the same.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/node_id.h"
#include "fuzz/expect.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto id = flannel::decode_node_id(text);
  if (id) FUZZ_EXPECT(flannel::decode_node_id(flannel::to_string(*id)) == *id);
  if (!id) FUZZ_EXPECT(id.error().text.size() < 1000);
  const auto tag = flannel::decode_node_tag(text);
  if (tag) FUZZ_EXPECT(flannel::decode_node_tag(flannel::to_string(*tag)) == *tag);
  if (!tag) FUZZ_EXPECT(tag.error().text.size() < 1000);
  (void)flannel::boot_number(text, size);
  return 0;
}

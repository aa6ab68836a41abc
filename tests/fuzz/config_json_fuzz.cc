// SPDX-License-Identifier: Apache-2.0
// Whatever stands under <prefix>/config: an accepted configuration obeys its own rules.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "core/go_json.h"
#include "core/move_notes.h"
#include "core/network_config.h"
#include "fuzz/expect.h"

namespace {

void check_range(const flannel::SubnetRange& range, flannel::Family family) {
  using flannel::IpPrefix;
  const std::uint64_t count = range.count();
  FUZZ_EXPECT(count > 0);
  FUZZ_EXPECT(range.network.family() == family);
  FUZZ_EXPECT(range.subnet_len <= flannel::address_bits(family) - 2);
  FUZZ_EXPECT(range.subnet_len >= range.network.bits + 2);
  for (const std::uint64_t n : {std::uint64_t{0}, count / 2, count - 1}) {
    const IpPrefix subnet = range.at(n);
    FUZZ_EXPECT(subnet == IpPrefix::of(subnet.base, subnet.bits));
    FUZZ_EXPECT(range.allows(subnet) && range.network.contains(subnet));
  }
  FUZZ_EXPECT(range.at(0).base == range.first);
  FUZZ_EXPECT(count == UINT64_MAX || range.at(count - 1).base == range.last);
  FUZZ_EXPECT(range.network.contains(range.last) && range.first <= range.last);
}

// The notes that are read can be written again, and change nothing else.
void check_notes(std::string_view text, const flannel::NetworkConfig& config) {
  const auto notes = flannel::read_move_notes(text);
  if (!notes) return;
  const auto noted = flannel::with_move_notes(text, *notes);
  if (!noted) return;
  FUZZ_EXPECT(flannel::read_move_notes(*noted) == *notes);
  const auto same = flannel::parse_network_config(*noted);
  FUZZ_EXPECT(same && same->config == config);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto parsed = flannel::parse_network_config(text);
  if (!parsed) {
    FUZZ_EXPECT(parsed.error().kind == flannel::ErrorKind::invalid);
    FUZZ_EXPECT(!parsed.error().text.empty() && parsed.error().text.size() < 1000);
    return 0;
  }
  const flannel::NetworkConfig& config = parsed->config;
  FUZZ_EXPECT(config.v4 || config.v6);
  if (config.v4) check_range(*config.v4, flannel::Family::v4);
  if (config.v6) check_range(*config.v6, flannel::Family::v6);
  if (!config.backend_options.empty()) {
    // Compact text is what it says, and stays as it is.
    const std::string whole = "{\"b\":" + config.backend_options + "}";
    auto again = flannel::JsonObject::parse(whole, "the options");
    FUZZ_EXPECT(again && again->json("b") == config.backend_options);
  }
  check_notes(text, config);
  return 0;
}

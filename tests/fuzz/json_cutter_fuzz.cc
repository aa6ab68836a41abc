// SPDX-License-Identifier: Apache-2.0
// JsonCutter, which sees the answers of etcd v2 before anything else does.
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "fuzz/expect.h"
#include "registry/json_cutter.h"

namespace {

std::string cut(std::string_view first, std::string_view second) {
  flannel::JsonCutter cutter;
  std::string kept;
  cutter.add(first, kept);
  cutter.add(second, kept);
  return kept;
}

}  // namespace

// The first two bytes say where a text that is too long goes into the rest, and where a packet
// ends.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view rest(reinterpret_cast<const char*>(data) + 2, size - 2);
  if (rest.size() <= flannel::JsonCutter::kLongestText) FUZZ_EXPECT(cut(rest, {}) == rest);

  std::string text(rest);
  text.insert(data[0] % (rest.size() + 1), flannel::JsonCutter::kLongestText - data[1] / 16, 'x');
  const std::size_t middle =
      data[1] % 2 == 0 ? data[1] % (rest.size() + 1) : text.size() - data[1] % (rest.size() + 1);
  const std::string whole = cut(text, {});
  FUZZ_EXPECT(cut(std::string_view(text).substr(0, middle),
                  std::string_view(text).substr(middle)) == whole);
  FUZZ_EXPECT(whole.size() <= text.size());
  if (nlohmann::json::accept(text)) FUZZ_EXPECT(nlohmann::json::accept(whole));
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Whatever a stranger sends to the health port or the control socket: the end of the head is found
// wherever the bytes are cut, and what is sent is nothing or one answer of HTTP.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "fuzz/expect.h"
#include "http/exchange.h"

namespace {

bool is_answer(const std::string& text) {
  return text.empty() || text.starts_with("HTTP/1.1 ");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using flannel::HttpExchange;
  static HttpExchange exchange;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto end = HttpExchange::end_of_head(bytes, 0);
  for (std::size_t cut = 0; end && cut < *end; ++cut) {
    FUZZ_EXPECT(!HttpExchange::end_of_head(bytes.substr(0, cut), 0));
    FUZZ_EXPECT(HttpExchange::end_of_head(bytes, cut) == end);
  }
  const auto parsed = exchange.parse(bytes);
  if (const auto* refusal = std::get_if<HttpExchange::Refusal>(&parsed)) {
    FUZZ_EXPECT(is_answer(*refusal));
    return 0;
  }
  const auto& head = std::get<HttpExchange::Head>(parsed);
  const std::string answer =
      exchange.render(bytes, {200, head.request.method + " " + head.request.path});
  FUZZ_EXPECT(is_answer(answer) && !answer.empty());
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Turns the bytes of one request into the bytes of its answer.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/message.h"

namespace flannel {

// Returns the answer to a request. Called on the thread of the loop that serves.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

class HttpExchange {
 public:
  explicit HttpExchange(HttpHandler handler);
  ~HttpExchange();

  // Returns the length of the head of a request, including its blank line; nullopt if the head is
  // incomplete. An earlier call has already searched the first `searched` bytes.
  static std::optional<std::size_t> end_of_head(std::string_view received, std::size_t searched);

  // Returns the whole answer to `request`, which is a head and whatever follows it; a body is not
  // read. The answer to a truncated or invalid request is an HTTP error or empty.
  std::string answer(std::string_view request);

 private:
  class Protocol;
  std::unique_ptr<Protocol> protocol_;
};

}  // namespace flannel

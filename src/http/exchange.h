// SPDX-License-Identifier: Apache-2.0
// Turns the bytes of a request into its values, and the values of its answer into bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "http/message.h"

namespace flannel {

class HttpExchange {
 public:
  struct Head {
    HttpRequest request;  // without its body
    std::optional<std::uint64_t>
        body;  // bytes that follow the head; nullopt: nothing says how many
  };
  // The whole answer to bytes that are no request, an HTTP error; empty: nothing is to be sent.
  using Refusal = std::string;

  HttpExchange();
  ~HttpExchange();

  // Returns the length of the head of a request, including its blank line; nullopt if the head is
  // incomplete. An earlier call has already searched the first `searched` bytes.
  static std::optional<std::size_t> end_of_head(std::string_view received, std::size_t searched);

  // Parses the head of a request, which may be truncated or invalid.
  std::variant<Head, Refusal> parse(std::string_view head);

  // Returns the whole answer to the request with this head, which parse() has accepted: the version
  // of HTTP and the method decide its form.
  std::string render(std::string_view head, const HttpResponse& response);
  // Returns the head of an answer to GET whose body has no length and ends with the connection.
  static std::string head_of_stream(const HttpResponse& response);

 private:
  class Protocol;
  std::unique_ptr<Protocol> protocol_;
};

}  // namespace flannel

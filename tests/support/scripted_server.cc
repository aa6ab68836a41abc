// SPDX-License-Identifier: Apache-2.0
#include "support/scripted_server.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string_view>
#include <utility>

namespace flannel {
namespace {

constexpr std::string_view kEnd = "\r\n\r\n";

// Returns the value of Content-Length in the head of a message; 0 if there is none.
std::size_t length_in(std::string head) {
  std::ranges::transform(head, head.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto at = head.find("content-length:");
  return at == std::string::npos ? 0 : std::strtoul(head.c_str() + at + 15, nullptr, 10);
}

bool receive(int fd, std::string& text) {
  char bytes[4096];
  const ssize_t got = ::recv(fd, bytes, sizeof bytes, 0);
  if (got > 0) text.append(bytes, static_cast<std::size_t>(got));
  return got > 0;
}

}  // namespace

ScriptedServer::ScriptedServer(Script script)
    : listener_(listen_tcp("127.0.0.1", 0).value()), script_(std::move(script)) {
  thread_ = std::thread([this] { accept_all(); });
}

ScriptedServer::~ScriptedServer() {
  ::shutdown(listener_.fd.get(), SHUT_RDWR);
  thread_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const Fd& connection : connections_)
      ::shutdown(connection.get(), SHUT_RDWR);
  }
  for (std::thread& server : servers_)
    server.join();
}

std::string ScriptedServer::answer(int status, const std::string& headers,
                                   const std::string& body) {
  return "HTTP/1.1 " + std::to_string(status) + " Status\r\n" + headers +
         "Content-Length: " + std::to_string(body.size()) + std::string(kEnd) + body;
}

void ScriptedServer::accept_all() {
  for (;;) {
    pollfd wait{listener_.fd.get(), POLLIN, 0};
    ::poll(&wait, 1, -1);
    Fd fd(::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd) return;
    const std::lock_guard lock(mutex_);
    connections_.push_back(std::move(fd));
    servers_.emplace_back([this, number = connections_.back().get()] { serve(number); });
  }
}

void ScriptedServer::serve(int fd) {
  std::string text;
  for (;;) {
    while (text.find(kEnd) == std::string::npos) {
      if (!receive(fd, text)) return;
    }
    const std::size_t head = text.find(kEnd) + kEnd.size();
    const std::size_t whole = head + length_in(text.substr(0, head));
    while (text.size() < whole) {
      if (!receive(fd, text)) return;
    }
    const std::string reply = script_(text.substr(0, head), text.substr(head, whole - head));
    text.erase(0, whole);
    ::send(fd, reply.data(), reply.size(), MSG_NOSIGNAL);
    const std::size_t begin = reply.find(kEnd) + kEnd.size();
    if (reply.empty() || reply.size() - begin < length_in(reply.substr(0, begin))) {
      ::shutdown(fd, SHUT_RDWR);
      return;
    }
  }
}

}  // namespace flannel

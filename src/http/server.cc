// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <httplib.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "base/clock.h"
#include "base/fd.h"
#include "http/listen.h"

namespace flannel {
namespace {

// Waits for `events` on `fd`; false when `stopped` became readable or the deadline passed.
bool wait_for(int fd, short events, int stopped, TimePoint deadline) {
  for (;;) {
    int timeout = -1;
    if (deadline != kNever) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - BootClock::now());
      if (left.count() <= 0) return false;
      timeout = static_cast<int>(left.count());
    }
    std::array<pollfd, 2> fds{{{fd, events, 0}, {stopped, POLLIN, 0}}};
    const int ready = ::poll(fds.data(), fds.size(), timeout);
    if (ready < 0 && errno == EINTR) continue;
    return ready > 0 && fds[1].revents == 0;
  }
}

// One connection as the library reads and writes it, with one deadline for the whole of it: the
// library's own stream has a time-out for each read, which a slow talker renews for ever.
class DeadlineStream final : public httplib::Stream {
 public:
  DeadlineStream(int socket, int stopped, TimePoint deadline)
      : socket_(socket), stopped_(stopped), deadline_(deadline) {}

  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }

  ssize_t read(char* to, std::size_t size) override {
    if (begin_ == end_) {
      const ssize_t got =
          transfer(POLLIN, [this] { return ::recv(socket_, buffer_.data(), buffer_.size(), 0); });
      if (got <= 0) return got;
      begin_ = 0;
      end_ = static_cast<std::size_t>(got);
    }
    const std::size_t count = std::min(size, end_ - begin_);
    std::copy_n(buffer_.data() + begin_, count, to);
    begin_ += count;
    return static_cast<ssize_t>(count);
  }

  ssize_t write(const char* from, std::size_t size) override {
    return transfer(POLLOUT, [=, this] { return ::send(socket_, from, size, MSG_NOSIGNAL); });
  }

  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_; }

 private:
  template <typename Call>
  ssize_t transfer(short events, Call call) {
    for (;;) {
      if (!wait_for(socket_, events, stopped_, deadline_)) return -1;
      const ssize_t done = call();
      if (done >= 0 || (errno != EAGAIN && errno != EINTR)) return done;
    }
  }

  int socket_;
  int stopped_;
  TimePoint deadline_;
  std::array<char, 4096> buffer_{};  // the library reads byte by byte
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

// What is used of the library: reading one request and writing one response.
class Protocol final : public httplib::Server {
 public:
  explicit Protocol(HttpHandler handler) {
    set_payload_max_length(64 * 1024);
    set_pre_routing_handler([handler = std::move(handler)](const httplib::Request& request,
                                                           httplib::Response& response) {
      HttpRequest asked{request.method, request.path, {}};
      for (const auto& [name, value] : request.params)
        asked.query.emplace(name, value);
      const HttpResponse answer = handler(asked);
      response.status = answer.status;
      response.set_content(answer.body, answer.content_type.c_str());
      return HandlerResponse::Handled;
    });
  }

  void serve(DeadlineStream& stream) {
    bool closed = false;
    // Ranges of a health answer make no sense, and the library would cut the body to them.
    const auto without_ranges = [](httplib::Request& request) { request.ranges.clear(); };
    process_request(stream, true, closed, without_ranges);
  }
};

class TwoThreadServer final : public HttpServer {
 public:
  TwoThreadServer(TcpListener listener, Fd stopped, HttpHandler handler, Duration for_connection)
      : listener_(std::move(listener)),
        stopped_(std::move(stopped)),
        protocol_(std::move(handler)),
        for_connection_(for_connection) {
    for (std::thread& worker : workers_)
      worker = std::thread([this] { work(); });
  }
  ~TwoThreadServer() override { stop(); }

  std::uint16_t port() const override { return listener_.port; }

  void stop() override {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(stopped_.get(), &one, sizeof one);
    for (std::thread& worker : workers_) {
      if (worker.joinable()) worker.join();
    }
    listener_.fd.reset();  // refuses those that nobody accepted yet
  }

 private:
  // Both threads wait for the same socket; the kernel's backlog is the queue.
  void work() {
    while (wait_for(listener_.fd.get(), POLLIN, stopped_.get(), kNever)) {
      const Fd connection{
          ::accept4(listener_.fd.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK)};
      if (connection) {
        serve(connection);
      } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        // Out of descriptors or memory: the connection stays in the backlog and keeps the socket
        // readable. Look again a little later instead of at once.
        wait_for(stopped_.get(), 0, stopped_.get(),
                 BootClock::now() + std::chrono::milliseconds(50));
      }
    }
  }

  void serve(const Fd& connection) {
    DeadlineStream stream(connection.get(), stopped_.get(), BootClock::now() + for_connection_);
    // The library parses a stranger's bytes and throws on some of them; that connection ends.
    try {
      protocol_.serve(stream);
    } catch (const std::exception&) {
    }
    ::shutdown(connection.get(), SHUT_WR);
  }

  TcpListener listener_;
  Fd stopped_;
  Protocol protocol_;
  Duration for_connection_;
  std::array<std::thread, 2> workers_;
};

}  // namespace

Result<std::unique_ptr<HttpServer>> HttpServer::open(const std::string& ip, std::uint16_t port,
                                                     HttpHandler handler, Duration for_connection) {
  TcpListener listener = TRY(listen_tcp(ip, port));
  Fd stopped{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  if (!stopped) return os_error("create eventfd");
  return std::make_unique<TwoThreadServer>(std::move(listener), std::move(stopped),
                                           std::move(handler), for_connection);
}

}  // namespace flannel

// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <fcntl.h>
#include <httplib.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <optional>
#include <utility>

#include "base/fd.h"
#include "base/parse.h"
#include "base/thread.h"

namespace flannel {
namespace {

// Limits in case the caller sets no deadline.
constexpr std::chrono::seconds kLongestConnect{10};
constexpr std::chrono::seconds kLongestSilence{600};

void set_option(int fd, int level, int name, int value) {
  ::setsockopt(fd, level, name, &value, sizeof value);
}

// Enables keep-alives, which detect within half a minute that the machine of the server is gone.
void notice_dead_peers(int fd) {
  set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 10);
  set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
  set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 4);
  set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 30000);
  set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

bool never_left(httplib::Error error) {
  return error == httplib::Error::Connection || error == httplib::Error::ConnectionTimeout ||
         error == httplib::Error::SSLConnection || error == httplib::Error::SSLLoadingCerts ||
         error == httplib::Error::SSLServerVerification;
}

std::string reason_of(int code) {
  return code == 0 ? std::string() : std::string(": ") + std::strerror(code);
}

// Does what the function below does, for a UNIX socket.
std::string why_not_connected(const std::string& path) {
  sockaddr_un to{.sun_family = AF_UNIX, .sun_path = {}};
  if (path.size() >= sizeof to.sun_path) return ": the path is too long for a socket";
  std::ranges::copy(path, to.sun_path);
  const Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const auto* address = reinterpret_cast<const sockaddr*>(&to);
  return reason_of(::connect(fd.get(), address, sizeof to) == 0 ? 0 : errno);
}

// Returns why a connection fails. httplib does not report the reason, so this connects once more
// and reports an error that comes at once.
std::string why_not_connected(const std::string& address, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* to = nullptr;
  if (::getaddrinfo(address.c_str(), std::to_string(port).c_str(), &hints, &to) != 0) return {};
  const Fd fd(::socket(to->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  int code = ::connect(fd.get(), to->ai_addr, to->ai_addrlen) == 0 ? 0 : errno;
  ::freeaddrinfo(to);
  pollfd ready{fd.get(), POLLOUT, 0};
  socklen_t size = sizeof code;
  if (code == EINPROGRESS) {
    if (::poll(&ready, 1, 100) != 1) return {};
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &size);
  }
  return reason_of(code);
}

HttpHead head_of(const httplib::Response& response) {
  HttpHead head{.status = std::max(response.status, 0), .headers = {}};  // -1: no answer
  for (const auto& [name, value] : response.headers)
    head.headers[to_lower(name)] = value;
  return head;
}

HttpAccess with_resolver(HttpAccess access) {
  if (!access.resolver) access.resolver = std::make_shared<Resolver>();
  return access;
}

}  // namespace

// The state that the thread and the connection share; it may outlive both. It has a duplicate of
// the socket, so that ending a call never affects a descriptor number that has been reused.
class HttpConnection::Worker : public std::enable_shared_from_this<Worker> {
 public:
  Worker(HttpAccess access, bool keep_open)
      : access_(with_resolver(std::move(access))), keep_open_(keep_open) {}

  void start(HttpCall call, std::function<void(HttpHead)> on_head,
             std::function<void(HttpEnd)> on_end) {
    const std::lock_guard lock(mutex_);
    cut_.reset();
    job_ = Job{std::move(call), std::move(on_head), std::move(on_end)};
    changed_.notify_all();
  }

  void cut(Error why) {
    const std::lock_guard lock(mutex_);
    cut_ = std::move(why);
    if (socket_) ::shutdown(socket_.get(), SHUT_RDWR);
    changed_.notify_all();
  }

  // Makes the thread end soon.
  void end() {
    cut(Error{ErrorKind::unavailable, "the connection is being closed"});
    const std::lock_guard lock(mutex_);
    ending_ = true;
    changed_.notify_all();
  }

  void run() {
    while (auto job = next()) {
      HttpEnd end = perform(*job);
      job->on_end(std::move(end));
    }
    client_.reset();
    const std::lock_guard lock(mutex_);
    socket_.reset();  // a look-up may keep this object alive for long
  }

 private:
  struct Job {
    HttpCall call;
    std::function<void(HttpHead)> on_head;
    std::function<void(HttpEnd)> on_end;
  };

  std::optional<Job> next() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ending_ || job_.has_value(); });
    if (ending_) return std::nullopt;
    return std::exchange(job_, std::nullopt);
  }

  HttpEnd perform(const Job& job) {
    if (client_) return send(job, {});
    const auto addresses = resolve();
    if (!addresses) return {{}, Failure(addresses.error()), false};
    for (std::size_t i = 0;; ++i) {
      if (auto opened = open(addresses->at(i)); !opened)
        return {{}, Failure(opened.error()), false};
      HttpEnd end = send(job, addresses->at(i));
      if (end.body || end.sent || i + 1 == addresses->size() || is_cut()) return end;
    }
  }

  Result<Resolver::Addresses> resolve() {
    if (!access_.socket.empty()) return Resolver::Addresses{access_.socket};
    // Set on another thread, possibly after this thread has ended.
    const auto answer = std::make_shared<std::optional<Result<Resolver::Addresses>>>();
    access_.resolver->look_up(access_.target.host, [answer, self = shared_from_this()](
                                                       const Result<Resolver::Addresses>& found) {
      const std::lock_guard lock(self->mutex_);
      *answer = found;
      self->changed_.notify_all();
    });
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return *answer || cut_; });
    if (*answer && **answer) return ***answer;
    const Error why = *answer ? (*answer)->error() : Resolver::too_slow(access_.target.host);
    return Failure(Error(why).during(access_.target.url));
  }

  // `address` is that of a new connection; empty if an existing connection is used again.
  HttpEnd send(const Job& job, const std::string& address) {
    httplib::Request request;
    request.method = job.call.method;
    request.path = job.call.path;
    request.body = job.call.body;
    if (!job.call.content_type.empty()) request.set_header("Content-Type", job.call.content_type);
    for (const auto& [name, value] : job.call.headers)
      request.set_header(name, value);
    // httplib would send the path of the socket, which servers in Go refuse.
    if (!access_.socket.empty()) request.set_header("Host", "localhost");
    std::string body;
    request.response_handler = [&job](const httplib::Response& response) {
      if (job.on_head) job.on_head(head_of(response));
      return true;
    };
    bool too_long = false;
    request.content_receiver = [&](const char* bytes, std::size_t size, std::uint64_t,
                                   std::uint64_t) {
      if (job.call.keep) {
        job.call.keep({bytes, size}, body);
      } else {
        body.append(bytes, size);
      }
      too_long = body.size() > job.call.longest_answer;
      return !too_long;
    };
    httplib::Response response;
    httplib::Error error = httplib::Error::Success;
    if (client_->send(request, response, error)) {
      // nginx and programs in Go give this answer on a TLS port.
      if (response.status == 400 && !access_.target.tls && body.find("HTTPS") != body.npos) {
        return {head_of(response), Failure(broken("the server wants https://")), true};
      }
      return {head_of(response), std::move(body), true};
    }
    HttpHead head = head_of(response);
    Error why = too_long ? answer_too_long(job.call) : explain(error, head.status == 0, address);
    client_.reset();  // the next call makes a connection with the TLS files of that time
    return {std::move(head), Failure(std::move(why)), !never_left(error)};
  }

  Result<void> open(const std::string& address) {
    const HttpTarget& target = access_.target;
    tls_ = {};
    if (target.tls) {
      auto client = std::make_unique<httplib::SSLClient>(target.host, target.port, "", "");
      client->enable_server_certificate_verification(
          false);  // set_up_tls() makes OpenSSL verify it
      TRY_DURING(set_up_tls(client->ssl_context(), material(), server_name(), tls_), target.url);
      client_ = std::move(client);
    } else if (!access_.socket.empty()) {
      client_ = std::make_unique<httplib::ClientImpl>(access_.socket, 0);
      client_->set_address_family(AF_UNIX);
    } else {
      client_ = std::make_unique<httplib::ClientImpl>(target.host, target.port);
    }
    if (access_.socket.empty()) client_->set_hostname_addr_map({{target.host, address}});
    client_->set_connection_timeout(kLongestConnect);
    client_->set_read_timeout(kLongestSilence);
    client_->set_write_timeout(kLongestSilence);
    client_->set_keep_alive(keep_open_);
    client_->set_decompress(false);
    client_->set_url_encode(false);
    if (!access_.username.empty()) client_->set_basic_auth(access_.username, access_.password);
    client_->set_socket_options([this](int fd) { on_socket(fd); });
    return {};
  }

  const TlsMaterial& material() const {
    static const TlsMaterial none;
    return access_.tls ? *access_.tls : none;
  }

  const std::string& server_name() const {
    return access_.server_name.empty() ? access_.target.host : access_.server_name;
  }

  void on_socket(int fd) {
    notice_dead_peers(fd);
    const std::lock_guard lock(mutex_);
    socket_ = Fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!cut_) return;
    // The call was ended before it had a socket. A descriptor of /dev/null makes connect() fail.
    const Fd nothing(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    ::dup2(nothing.get(), fd);
  }

  bool is_cut() {
    const std::lock_guard lock(mutex_);
    return cut_.has_value();
  }

  Error broken(const std::string& why) const {
    return {ErrorKind::unavailable, access_.target.url + ": " + why};
  }

  Error answer_too_long(const HttpCall& call) const {
    return {ErrorKind::invalid, access_.target.url + ": the answer is longer than " +
                                    std::to_string(call.longest_answer >> 20) + " MB"};
  }

  Error explain(httplib::Error error, bool no_answer, const std::string& address) {
    {
      const std::lock_guard lock(mutex_);
      if (cut_) return *cut_;
    }
    if (error == httplib::Error::Connection || error == httplib::Error::ConnectionTimeout) {
      return broken("cannot connect" + (access_.socket.empty()
                                            ? why_not_connected(address, access_.target.port)
                                            : why_not_connected(access_.socket)));
    }
    if (access_.target.tls) {
      const std::string reason = tls_.reason(server_name(), material());
      if (!reason.empty() && no_answer && !address.empty()) return broken(reason);
      if (error == httplib::Error::SSLConnection) return broken("the TLS handshake failed");
    } else if (no_answer && !address.empty()) {
      if (!access_.socket.empty()) return broken("the connection was closed without an answer");
      return broken("the connection was closed without an answer; does the server want https://?");
    }
    return broken("the connection broke");
  }

  const HttpAccess access_;
  const bool keep_open_;
  TlsReport tls_;                                // used only by the thread, as is
  std::unique_ptr<httplib::ClientImpl> client_;  // which uses tls_

  std::mutex mutex_;
  std::condition_variable changed_;
  std::optional<Job> job_;
  std::optional<Error> cut_;  // of the call under way
  Fd socket_;
  bool ending_ = false;
};

HttpConnection::HttpConnection(HttpAccess access, bool keep_open, Loop& loop)
    : worker_(std::make_shared<Worker>(std::move(access), keep_open)), gate_(loop) {
  thread_ = start_without_signals([worker = worker_] { worker->run(); });
}

HttpConnection::~HttpConnection() {
  worker_->end();
  thread_.join();
}

void HttpConnection::send(HttpCall call, Listener listener) {
  assert(!busy_);
  busy_ = true;
  listener_ = std::move(listener);
  const auto sender = gate_.sender();
  std::function<void(HttpHead)> head;
  if (listener_.on_head) {
    head = [this, sender](HttpHead got) {
      sender.post([this, got = std::move(got)] { on_head(got); });
    };
  }
  worker_->start(std::move(call), std::move(head), [this, sender](HttpEnd end) {
    sender.post([this, end = std::move(end)]() mutable { on_end(std::move(end)); });
  });
}

void HttpConnection::cut(Error why) {
  if (busy_) worker_->cut(std::move(why));
}

void HttpConnection::on_head(const HttpHead& head) {
  const auto call = listener_.on_head;  // it may destroy this
  call(head);
}

void HttpConnection::on_end(HttpEnd end) {
  busy_ = false;
  const auto call = std::exchange(listener_, {}).on_end;
  call(std::move(end));
}

}  // namespace flannel

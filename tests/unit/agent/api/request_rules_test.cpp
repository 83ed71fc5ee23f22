#include "agent/api/request_rules.h"

#include <gtest/gtest.h>

namespace cardswap {
namespace {

namespace http = boost::beast::http;
using Head = http::request<http::string_body>;

Head post(std::vector<std::pair<std::string, std::string>> fields) {
  Head head(http::verb::post, "/v1/jobs", 11);
  head.set(http::field::host, "gpu-a:7070");
  head.set(http::field::content_type, "application/json");
  head.set(http::field::content_length, "2");
  for (const auto& [name, value] : fields) head.set(name, value);
  return head;
}

unsigned status(const Head& head, Listener listener = Listener::plain_tcp) {
  const auto refusal = refusal_of(head, listener, {"gpu-a.example.org"});
  return refusal ? refusal->status : 200U;
}

TEST(RequestRules, LetWhatClientsSendPass) {
  EXPECT_EQ(status(post({})), 200U);
  for (const char* host : {"127.0.0.1:7070", "[::1]:7070", "[fd00::2]", "localhost", "gpu-a",
                           "GPU-A.example.org:7070", "10.0.0.1"}) {
    EXPECT_EQ(status(post({{"Host", host}})), 200U) << host;
  }
  EXPECT_EQ(status(post({{"Content-Type", "Application/JSON; charset=utf-8"}})), 200U);
  auto empty = post({{"Content-Length", "0"}});
  empty.erase(http::field::content_type);
  EXPECT_EQ(status(empty), 200U);
}

TEST(RequestRules, RefuseWhatPagesInABrowserSend) {
  for (const auto listener : {Listener::plain_tcp, Listener::tls}) {
    EXPECT_EQ(status(post({{"Origin", "https://evil.example"}}), listener), 403U);
    EXPECT_EQ(status(post({{"Origin", "null"}}), listener), 403U);
    for (const char* type : {"text/plain", "application/x-www-form-urlencoded", "", "json"}) {
      EXPECT_EQ(status(post({{"Content-Type", type}}), listener), 415U) << type;
    }
  }
  for (const char* host :
       {"evil", "gpu-b:7070", "evil.example", "gpu-a.evil.example:7070", "127.0.0.1.evil.example",
        "gpu-a.example.org.evil.example", "a b", "", "[::1"}) {
    EXPECT_EQ(status(post({{"Host", host}})), 403U) << host;
  }
  // The certificate was checked by that name.
  EXPECT_EQ(status(post({{"Host", "gpu-a.dc.example"}}), Listener::tls), 200U);
}

TEST(RequestRules, RefuseTwoHosts) {
  for (const auto listener : {Listener::unix_socket, Listener::plain_tcp, Listener::tls}) {
    auto head = post({{"Host", "localhost"}});
    head.insert(http::field::host, "localhost");
    EXPECT_EQ(status(head, listener), 400U);
  }
}

TEST(RequestRules, RefuseABodyWhoseEndTwoReadersMaySeeElsewhere) {
  for (const auto listener : {Listener::unix_socket, Listener::plain_tcp, Listener::tls}) {
    auto head = post({});
    head.erase(http::field::content_length);
    head.set(http::field::transfer_encoding, "chunked");
    EXPECT_EQ(status(head, listener), 200U);
    for (const char* coding : {"xchunked", "gzip", "gzip, chunked", "chunked, chunked", ""}) {
      head.set(http::field::transfer_encoding, coding);
      EXPECT_EQ(status(head, listener), 400U) << coding;
    }
    head.set(http::field::transfer_encoding, "chunked");
    head.insert(http::field::transfer_encoding, "chunked");
    EXPECT_EQ(status(head, listener), 400U) << "twice";
    EXPECT_EQ(status(post({{"Transfer-Encoding", "chunked"}}), listener), 400U) << "and a length";
  }
}

}  // namespace
}  // namespace cardswap

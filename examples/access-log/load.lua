-- What the clients of examples/access.log ask for: a seeded mix of paths, methods,
-- agents, referers and users, with pauses, so that the log looks like a day's.

local counter = 0

function setup(thread)
   counter = counter + 1
   thread:set("seed", counter)
end

local agents = {
   "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
   "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
   "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
   "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
   "curl/8.5.0",
   "Go-http-client/1.1",
   "python-requests/2.32.3",
   "ExampleBot/2.1 (+https://bot.example/about; \"quoted\")",
   "Überwacher/1.0",
}
local referers = { "https://www.example.com/", "https://search.example.net/?q=mill+run", "http://127.0.0.1/products/7" }
local users = { "YWxpY2U6eA==", "Ym9iOng=", "Y2Fyb2w6eA==" } -- alice, bob, carol
local networks = { "192.0.2.", "198.51.100.", "203.0.113." }

local function pick(list) return list[math.random(#list)] end

local function address()
   if math.random(12) == 1 then return "2001:db8::" .. string.format("%x", math.random(65535)) end
   return pick(networks) .. math.random(254)
end

-- Each entry: weight, then a function that gives method, path and body.
local pages = {
   { 20, function() return "GET", "/" end },
   { 30, function() return "GET", "/products/" .. math.random(66) end },
   { 25, function() return "GET", "/static/" .. pick({ 1, 4, 12, 48, 160 }) .. ".bin?v=" .. math.random(9) end },
   { 10, function() return "GET", "/api/search?q=" .. pick({ "stone", "water%20wheel", "gr%C3%A4n", "a%22b" }) .. "&page=" .. math.random(20) end },
   { 8, function() return "POST", "/api/orders", '{"item":' .. math.random(60) .. "}" end },
   { 3, function() return "DELETE", "/api/orders/" .. math.random(9999) end },
   { 3, function() return "PUT", "/api/orders/" .. math.random(9999), '{"n":1}' end },
   { 3, function() return "GET", "/login" end },
   { 2, function() return "GET", "/old" end },
   { 2, function() return "GET", "/admin/users" end },
   { 2, function() return "GET", "/wp-login.php" end },
   { 2, function() return "GET", "/api/slow" end },
   { 2, function() return "GET", "/api/upstream" end },
   { 1, function() return "OPTIONS", "/" end },
   { 1, function() return "POST", "/products/1", "x=1" end },
}
local total = 0
for _, page in ipairs(pages) do total = total + page[1] end

function init()
   math.randomseed(20260000 + seed)
end

function delay()
   return math.random(0, 500)
end

function request()
   local draw = math.random(total)
   local page
   for _, candidate in ipairs(pages) do
      page = candidate
      draw = draw - candidate[1]
      if draw <= 0 then break end
   end
   local method, path, body = page[2]()
   local headers = { ["Host"] = "shop.example", ["X-Forwarded-For"] = address(), ["User-Agent"] = pick(agents) }
   if math.random(3) == 1 then headers["Referer"] = pick(referers) end
   if math.random(9) == 1 then headers["Authorization"] = "Basic " .. pick(users) end
   if body then headers["Content-Length"] = #body end
   return wrk.format(method, path, headers, body)
end

-- Does what is written to FOLDER/ask, a piece of Lua, and writes what it returns to
-- FOLDER/answer: for ardour.py, which puts the folder in. Returns a function to call often.
local folder = "@FOLDER@"

return function ()
	local ask = io.open (folder .. "/ask")
	if not ask then return end
	local text = ask:read ("a")
	ask:close ()
	os.remove (folder .. "/ask")
	local piece, fault = load (text)
	local done, result = false, fault
	if piece then done, result = pcall (piece) end
	local answer = io.open (folder .. "/answer.new", "w")
	answer:write (done and "done " or "failed ", tostring (result))
	answer:close ()
	os.rename (folder .. "/answer.new", folder .. "/answer")
end

-- One session of a real Neovim, as a user has it: open a file, hover a word, highlight, type, hover again.
-- Runs on Neovim 0.7 and later: vim.lsp.start_client and buf_attach_client are the calls that all of them have.
-- The file is AL_FILE, the server AL_SERVER; what was seen goes to AL_RESULT as JSON.

local seen = {}

local function until_true(what, test)
  if not vim.wait(60000, test, 20) then
    error('waited in vain for ' .. what)
  end
end

local function float_with(text)
  for _, window in ipairs(vim.api.nvim_list_wins()) do
    if vim.api.nvim_win_get_config(window).relative ~= '' then
      local lines = vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(window), 0, -1, false)
      local content = table.concat(lines, '\n')
      if content:find(text, 1, true) then
        return window, content
      end
    end
  end
end

local function hover(text)
  vim.lsp.buf.hover()
  local window, content
  until_true('a hover about ' .. text, function()
    window, content = float_with(text)
    return window ~= nil
  end)
  vim.api.nvim_win_close(window, true)
  return content
end

local function highlights()
  local marks = {}
  for name, namespace in pairs(vim.api.nvim_get_namespaces()) do
    if name:find('reference') then
      for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
        table.insert(marks, { line = mark[2], from = mark[3], to = mark[4].end_col })
      end
    end
  end
  return marks
end

local function session()
  vim.cmd('edit ' .. vim.fn.fnameescape(vim.env.AL_FILE))
  local ready = false
  local id = vim.lsp.start_client({
    name = 'attention-lens',
    cmd = { vim.env.AL_SERVER, 'serve', '--stdio' },
    root_dir = vim.fn.getcwd(),
    init_options = { layer = 0, head = 'mean', segment = 'sentence' },
    on_init = function()
      ready = true
    end,
    on_exit = function(code)
      seen.exit = code
    end,
  })
  until_true('the server', function()
    return ready
  end)
  vim.lsp.buf_attach_client(0, id)

  vim.api.nvim_win_set_cursor(0, { 1, 6 })
  seen.hover = hover('attends to')
  vim.lsp.buf.document_highlight()
  until_true('highlights', function()
    return #highlights() > 1
  end)
  seen.highlights = highlights()

  vim.lsp.buf.clear_references()
  vim.api.nvim_buf_set_text(0, 0, 0, 0, 0, { 'and ' })
  vim.api.nvim_win_set_cursor(0, { 1, 1 })
  seen.afterTyping = hover('`and`')
  seen.hints = vim.lsp.buf_request_sync(0, 'textDocument/inlayHint', {
    textDocument = vim.lsp.util.make_text_document_params(),
    range = { start = { line = 0, character = 0 }, ['end'] = { line = 1, character = 0 } },
  }, 60000)[id]

  vim.lsp.stop_client(id)
  until_true('the end of the server', function()
    return seen.exit ~= nil
  end)
end

local ok, problem = pcall(session)
if not ok then
  seen.problem = tostring(problem)
end
vim.fn.writefile({ vim.fn.json_encode(seen) }, vim.env.AL_RESULT)
vim.cmd('qall!')
